"""AWS CLI version 2."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field

from amiforge.resources import Archive, Artifact, Packages, Signature, VendorInstall
from amiforge.shell import script
from amiforge.tasks.task import Check, Software, Task

if TYPE_CHECKING:
    from testinfra.host import Host as TestinfraHost

    from amiforge.engine.resource import Resource
    from amiforge.systems.system import System

_HOST = "awscli.amazonaws.com"
_KNOWN = {
    ("2.36.11", "x86_64"): "50fbb7a2f44a78eab4a210088040e8f0bc4b9937cac8043c2354269d58614df6",
}

# AWS prints its key in the user guide and serves it nowhere; key servers have it (aws-cli, issues 4942 and 6230).
_FINGERPRINT = "FB5DB77FD5C118B80511ADA8A6310ACC4672475C"
_KEY = f"https://keyserver.ubuntu.com/pks/lookup?op=get&search=0x{_FINGERPRINT}"

_WORKSPACE = "/var/cache/amiforge/aws-cli"
_INSTALLED = r"""
[ -x /usr/local/bin/aws ] && link=$(readlink /usr/local/aws-cli/v2/current) && printf '%s\n' "${link##*/}"
"""

# The installer skips a version that is there in part, and leaves the earlier one beside the new one, a quarter of a
# gigabyte each.
_INSTALL = r"""
rm -rf -- "/usr/local/aws-cli/v2/$2" && "$1/aws/install" --update || exit
for tree in /usr/local/aws-cli/v2/*; do
  case ${tree##*/} in current|"$2") ;; *) rm -rf -- "$tree" || exit ;; esac
done
"""


class AwsCli(Task):
    """AWS CLI version 2, from AWS's own installer, in /usr/local.

    Images that carry an `awscli-2` package keep it in /usr/bin; /usr/local/bin comes first on the path of a login. A
    download whose digest is not known beforehand must have AWS's signature.
    Source: AWS CLI user guide, "Installing past releases of the AWS CLI version 2".
    """

    version: str = Field("2.36.11", pattern=r"^2\.\d+\.\d+$", description="exact version")

    def resources(self, system: System) -> Iterator[Resource]:
        """Give the installer's run, with its download, where another version is installed."""
        zipped, tree = f"{_WORKSPACE}/{self.version}.zip", f"{_WORKSPACE}/tree"
        yield Packages(("unzip",))
        yield VendorInstall(
            "AWS CLI",
            self.version,
            observe=_INSTALLED,
            sources=(self._download(system, zipped), Archive(zipped, tree, creates="aws/install")),
            install=script(_INSTALL, tree, self.version, summary="aws/install --update"),
            workspace=_WORKSPACE,
        )

    def software(self, system: System) -> Iterator[Software]:
        """Give the one program."""
        yield Software("AWS CLI", self.version, _HOST, "version")

    def checks(self, host: TestinfraHost, system: System) -> Iterator[Check]:
        """Prove the version that `aws` says, and that a login finds this one."""
        yield Check(
            f"aws says aws-cli/{self.version}",
            f"aws-cli/{self.version}",
            lambda: host.check_output("/usr/local/bin/aws --version").split(" ")[0],
        )
        yield Check(
            "a login finds /usr/local/bin/aws first",
            "/usr/local/bin/aws",
            lambda: host.check_output("sh -lc 'command -v aws'"),
        )

    def _download(self, system: System, path: str) -> Artifact:
        url = f"https://{_HOST}/awscli-exe-linux-{system.arch}-{self.version}.zip"
        known = _KNOWN.get((self.version, system.arch), "")
        signature = None if known else Signature(f"{url}.sig", _KEY, _FINGERPRINT)
        return Artifact(url, path, sha256=known, signature=signature)
