"""Acme's rules for every machine."""

from collections.abc import Iterator

from pydantic import Field
from testinfra.host import Host as TestinfraHost

from amiforge import Check, Task
from amiforge.resources import File
from amiforge.systems.system import System

_SSHD = "/etc/ssh/sshd_config.d/10-acme.conf"
_PROFILE = "/etc/profile.d/acme.sh"


class AcmeBaseline(Task):
    """Logins by key only, and no forgotten shells."""

    idle_minutes: int = Field(30, ge=1, description="minutes after which an idle shell ends")

    def resources(self, system: System) -> Iterator[File]:
        """Give the SSH server's drop-in, and the shells' time limit."""
        yield File(_SSHD, "PasswordAuthentication no\nKbdInteractiveAuthentication no\n", mode="0600")
        yield File(_PROFILE, f"readonly TMOUT={60 * self.idle_minutes}\n")

    def checks(self, host: TestinfraHost, system: System) -> Iterator[Check]:
        """Prove what the SSH server and a login shell make of it."""
        yield Check(
            "the SSH server takes no passwords",
            True,
            lambda: "passwordauthentication no" in host.check_output("sshd -T").splitlines(),
        )
        yield Check(
            f"a login shell ends after {self.idle_minutes} idle minutes",
            str(60 * self.idle_minutes),
            lambda: host.check_output("sh -lc 'echo $TMOUT'"),
        )
