"""AWS CLI version 2."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field

from amiforge.resources import Archive, Artifact, Packages, VendorInstall
from amiforge.shell import argv
from amiforge.tasks.task import Check, Task

if TYPE_CHECKING:
    from testinfra.host import Host as TestinfraHost

    from amiforge.engine.resource import Resource
    from amiforge.systems.system import System

_KNOWN = {
    ("2.36.11", "x86_64"): "50fbb7a2f44a78eab4a210088040e8f0bc4b9937cac8043c2354269d58614df6",
}

_WORKSPACE = "/var/cache/amiforge/aws-cli"
_INSTALLED = 'link=$(readlink /usr/local/aws-cli/v2/current) && printf "%s\\n" "${link##*/}"'


class AwsCli(Task):
    """AWS CLI version 2, from AWS's own installer, in /usr/local.

    Images that carry an `awscli-2` package keep it in /usr/bin; /usr/local/bin comes first on the path.
    Source: AWS CLI user guide, "Installing past releases of the AWS CLI version 2".
    """

    version: str = Field("2.36.11", pattern=r"^2\.\d+\.\d+$", description="exact version")

    def resources(self, system: System) -> Iterator[Resource]:
        """Give the installer's run, with its download, where another version is installed."""
        url = f"https://awscli.amazonaws.com/awscli-exe-linux-{system.arch}-{self.version}.zip"
        known = _KNOWN.get((self.version, system.arch), "")
        zipped, tree = f"{_WORKSPACE}/{self.version}.zip", f"{_WORKSPACE}/tree"
        yield Packages(("unzip",))
        yield VendorInstall(
            "AWS CLI",
            self.version,
            observe=_INSTALLED,
            sources=(Artifact(url, zipped, sha256=known), Archive(zipped, tree)),
            install=argv(f"{tree}/aws/install", "--update"),
            workspace=_WORKSPACE,
        )

    def checks(self, host: TestinfraHost, system: System) -> Iterator[Check]:
        """Prove the version that `aws` on the path says."""
        yield Check(
            f"aws says aws-cli/{self.version}",
            f"aws-cli/{self.version}",
            lambda: host.check_output("/usr/local/bin/aws --version").split(" ")[0],
        )
