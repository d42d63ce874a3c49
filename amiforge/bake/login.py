"""How an instance is logged in to: by us, and by whoever pastes the commands that we print."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from amiforge.ec2.access import Way
from amiforge.host.base import Host
from amiforge.host.destination import SSH_PORT, Destination, jumps, known_name
from amiforge.host.ssh_settings import Ssh
from amiforge.shell import Secret, display, quote


@dataclass(frozen=True, slots=True)
class Login:
    """The way to an instance, the one host key it may show, and the key that it knows."""

    way: Way
    user: str
    key: Secret
    host_key: str

    @property
    def address(self) -> str:
        """The address that is connected to, or the instance's id."""
        return self.way.address

    @property
    def destination(self) -> Destination:
        """The instance as people write it."""
        return Destination(self.way.address, self.user, None if self.way.port == SSH_PORT else self.way.port)

    def known_hosts(self) -> str:
        """Give the line that pins its host key."""
        return f"{known_name(self.way.address, self.way.port)} {self.host_key}\n"

    def ssh_command(self, key: Path, known_hosts: Path) -> str:
        """Give the ssh command that logs in, for a shell.

        Args:
            key: file of the private key.
            known_hosts: file with the line that pins its host key.
        """
        port = () if self.way.port == SSH_PORT else ("-p", str(self.way.port))
        options = ("-i", str(key), "-o", f"UserKnownHostsFile={known_hosts}", *port, *_way_options(self.way))
        return display(["ssh", *options, f"{self.user}@{self.way.address}"])

    def apply_command(self, recipe: str, key: Path, known_hosts: Path) -> str:
        """Give the command that goes on with a recipe's tasks there, for a shell; arguments as of `ssh_command`."""
        way, variables = self.way, {"KNOWN_HOSTS": str(known_hosts)}
        variables |= {"JUMP": way.jump, "JUMP_KEY": way.jump_key, "PROXY": proxy_command(way)}
        environment = [f"AMIFORGE_SSH_{name}={quote(value)}" for name, value in variables.items() if value]
        apply = display(["amiforge", "apply", recipe, "--host", str(self.destination), "--key", str(key)])
        return " ".join((*environment, apply))


def over_ssh(login: Login, settings: Ssh | None = None) -> Host:
    """Give the instance as a host, over SSH; its way comes before any that the settings or the ssh config have."""
    from amiforge.host.ssh import SshHost  # noqa: PLC0415 - slow to load

    way = login.way
    return SshHost(
        way.address,
        login.user,
        port=way.port,
        key=login.key.reveal(),
        host_key=login.host_key,
        settings=on_the_way(way, settings or Ssh()),
    )


def check_jumps(way: Way, settings: Ssh | None = None) -> None:
    """Log in to the jump hosts, and to nothing behind them, before anything waits for the instance.

    Raises:
        ConfigError: their key is none.
        HostError: one of them is not there, is not who it should be, or does not let us in.
    """
    if not way.jump:
        return
    from amiforge.host.ssh import SshHost  # noqa: PLC0415 - as above

    *before, last = jumps(way.jump)
    settings = on_the_way(Way("", jump=",".join(map(str, before)), jump_key=way.jump_key), settings or Ssh())
    host = SshHost(last.address, last.user, port=last.port, key=settings.jump_key, settings=settings)
    try:
        host.connect()
    finally:
        host.close()


def on_the_way(way: Way, settings: Ssh) -> Ssh:
    """Give settings that lead along a way."""
    if not (way.jump or way.proxy or way.jump_key):
        return settings
    key = Path(way.jump_key) if way.jump_key else settings.jump_key
    return settings.model_copy(update={"jump": way.jump, "jump_key": key, "proxy": proxy_command(way)})


def proxy_command(way: Way) -> str:
    """Give the way's proxy command as ssh takes it: text for a shell, in which a % stands for itself as %%."""
    return display(way.proxy).replace("%", "%%") if way.proxy else ""


def _way_options(way: Way) -> Iterator[str]:
    if way.proxy:
        yield from ("-o", f"ProxyCommand={proxy_command(way)}")
    elif way.jump and way.jump_key:
        # ssh hands neither -i nor -o on to the jump hosts of -J.
        yield from ("-o", f"ProxyCommand={_through(jumps(way.jump), way.jump_key)}")
    elif way.jump:
        yield from ("-J", way.jump)


def _through(hops: tuple[Destination, ...], key: str) -> str:
    *before, last = hops
    nested = ("-o", f"ProxyCommand={_through(tuple(before), key)}".replace("%", "%%")) if before else ()
    port = ("-p", str(last.port)) if last.port else ()
    at = f"{last.user}@{last.address}" if last.user else last.address
    return display(["ssh", "-i", key, *port, *nested, "-W", "[%h]:%p", at])
