"""Docker Engine with its Compose plugin."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import Field

from amiforge.resources import (
    Artifact,
    File,
    JsonKeys,
    PackageHold,
    Packages,
    Repository,
    Service,
    User,
    VendorInstall,
)
from amiforge.shell import argv
from amiforge.tasks.parts.extras import topic
from amiforge.tasks.parts.installed import installed_version
from amiforge.tasks.task import Check, Software, Task

if TYPE_CHECKING:
    from testinfra.host import Host as TestinfraHost

    from amiforge.engine.resource import Resource
    from amiforge.systems.system import System

DAEMON_JSON = "/etc/docker/daemon.json"


class _Names(NamedTuple):
    """Packages of one operating system.

    Attributes:
        engine: packages that have Docker's version.
        containerd: the package with containerd.
        others: packages that come in whatever version there is.
        source: where they come from.
        topic: the topic of amazon-linux-extras that has them; empty for none.
        repository: Docker's repository; empty where the operating system's own have them.
        compose: the package of the Compose plugin; empty where there is none, and the plugin is downloaded.
        replaced: packages of the distribution that do not go together with these.
    """

    engine: tuple[str, ...]
    containerd: str
    others: tuple[str, ...]
    source: str
    topic: str = ""
    repository: str = ""
    compose: str = ""
    replaced: tuple[str, ...] = ()


_UBUNTU = _Names(
    ("docker-ce", "docker-ce-cli"),
    "containerd.io",
    ("docker-buildx-plugin",),
    "download.docker.com",
    repository="https://download.docker.com/linux/ubuntu",
    compose="docker-compose-plugin",
    replaced=("docker.io", "docker-compose", "docker-compose-v2", "podman-docker", "containerd", "runc"),
)
_NAMES = {
    "al2023": _Names(("docker",), "containerd", ("runc",), "Amazon Linux 2023"),
    "amzn2": _Names(("docker",), "containerd", ("runc",), "amazon-linux-extras", topic="docker"),
    "ubuntu2204": _UBUNTU,
    "ubuntu2404": _UBUNTU,
}

# As Docker's older instructions have it. apt refuses to work where two files name other keys for one repository.
_OTHER_LIST = "/etc/apt/sources.list.d/docker.list"
_FINGERPRINT = "9DC858229FC7DD38854AE2D88D81803C0EBFCD88"

# From the official docker image of docker-library, which takes them from Docker's releases.
_KNOWN_COMPOSE = {
    ("2.40.3", "x86_64"): "dba9d98e1ba5bfe11d88c99b9bd32fc4a0624a30fafe68eea34d61a3e42fd372",
    ("2.40.3", "aarch64"): "d26373b19e89160546d15407516cc59f453030d9bc5b43ba7faf16f7b4980137",
}
_PLUGIN = "/usr/local/lib/docker/cli-plugins/docker-compose"
_WORKSPACE = "/var/cache/amiforge/docker"
_PLUGIN_VERSION = f"{_PLUGIN} version --short | sed 's/^v//'"

# RDMA locks memory, and a container gets no more than Docker says; logs of a training job would fill the root volume.
_DAEMON: dict[str, Any] = {
    "default-ulimits": {"memlock": {"Name": "memlock", "Hard": -1, "Soft": -1}},
    "log-driver": "json-file",
    "log-opts": {"max-size": "100m", "max-file": "5"},
}


class Docker(Task):
    """Docker Engine, containerd and the Compose plugin, started at boot.

    Amazon Linux has its own packages, and no Compose plugin; on Ubuntu Docker's repository replaces the distribution's
    packages. daemon.json belongs to others too: only the keys named here are ours. Whoever is in the group `docker` is
    as good as root.
    Source: Docker documentation, "Install Docker Engine on Ubuntu"; aws/amazon-ecs-ami for Amazon Linux.
    """

    version: str = Field(
        "", pattern=r"^(\d+\.\d+\.\d+)?$", description="Docker's version, 25.0.16; empty for the newest there is"
    )
    containerd: str = Field("", pattern=r"^(\d+\.\d+\.\d+)?$", description="containerd's version, likewise")
    compose: str = Field("2.40.3", pattern=r"^(\d+\.\d+\.\d+)?$", description="Compose plugin; empty leaves it out")
    users: tuple[str, ...] | None = Field(
        None, description="accounts that may use Docker, which makes them root; left out, it is the login user"
    )
    daemon: dict[str, Any] = Field(
        {}, description="keys of daemon.json besides ours or instead of them; null for a key that must not be there"
    )
    hold: bool = Field(True, description="keep later updates from moving Docker and containerd")

    def resources(self, system: System) -> Iterator[Resource]:
        """Give the packages, the plugin, the users, and the services with their configuration."""
        names = _NAMES[system.os.name]
        if names.replaced:
            yield Packages(names.replaced, present=False)
        if url := names.repository:
            yield File(_OTHER_LIST, present=False)
            key = f"{url}/gpg"
            yield Repository("docker", url, key_url=key, key_fingerprint=_FINGERPRINT, components="stable")
        if names.topic:
            yield topic(names.topic, system)
        versions = {**dict.fromkeys(names.engine, self.version), names.containerd: self.containerd}
        compose = {names.compose: self.compose} if names.compose and self.compose else {}
        yield Packages({**versions, **dict.fromkeys(names.others, ""), **compose})
        if self.hold:
            yield PackageHold((*versions, *compose))
        if self.compose and not compose:
            yield self._plugin(system)
        for user in self._users(system):
            yield User(user, groups=("docker",))
        yield JsonKeys(DAEMON_JSON, dict(self._keys()))
        yield Service("containerd")
        yield Service("docker", restart_after=(DAEMON_JSON,))

    def software(self, system: System) -> Iterator[Software]:
        """Give engine, containerd and plugin."""
        names = _NAMES[system.os.name]
        yield Software("Docker Engine", self.version, names.source, "version")
        yield Software("containerd", self.containerd, names.source, "containerd")
        if self.compose:
            source = names.source if names.compose else "github.com/docker/compose"
            yield Software("Docker Compose", self.compose, source, "compose")

    def checks(self, host: TestinfraHost, system: System) -> Iterator[Check]:
        """Prove versions, a configuration that Docker takes, the services and who may use it."""
        names = _NAMES[system.os.name]
        yield Check("docker says its version", True, lambda: bool(_said(host, "docker --version")))
        for name, version in ((names.engine[0], self.version), (names.containerd, self.containerd)):
            if version:
                found = partial(installed_version, host, system, name)
                yield Check(f"package {name} has version {version}", version, found)
        if self.compose:
            says = partial(_said, host, "docker compose version --short")
            yield Check(f"docker compose says {self.compose}", self.compose, says)
        validate = f"dockerd --validate --config-file={DAEMON_JSON}"
        yield Check("Docker accepts its daemon.json", 0, lambda: host.run(validate).rc)
        for unit in ("containerd", "docker"):
            yield Check(f"service {unit} is enabled", True, partial(_enabled, host, unit))
            yield Check(f"service {unit} runs", True, partial(_runs, host, unit))
        for user in self._users(system):
            yield Check(f"{user} may use Docker", True, partial(_in_group, host, user))

    def _plugin(self, system: System) -> VendorInstall:
        url = "https://github.com/docker/compose/releases/download"
        path = f"{_WORKSPACE}/docker-compose-{self.compose}"
        known = _KNOWN_COMPOSE.get((self.compose, system.arch), "")
        return VendorInstall(
            "Docker Compose",
            self.compose,
            observe=_PLUGIN_VERSION,
            sources=(Artifact(f"{url}/v{self.compose}/docker-compose-linux-{system.arch}", path, sha256=known),),
            install=argv("install", "-D", "-m", "0755", "--", path, _PLUGIN),
            workspace=_WORKSPACE,
        )

    def _users(self, system: System) -> tuple[str, ...]:
        return (system.os.default_user,) if self.users is None else self.users

    def _keys(self) -> Iterator[tuple[str, Any]]:
        """Give a JSON pointer and a value for each key; keys of an object one by one, so that others may add some."""
        for key, value in {**_DAEMON, **self.daemon}.items():
            outer = _pointer(key)
            if isinstance(value, dict) and value:
                yield from ((outer + _pointer(inner), each) for inner, each in value.items())
            else:
                yield outer, value


def _pointer(key: str) -> str:
    return "/" + key.replace("~", "~0").replace("/", "~1")


def _said(host: TestinfraHost, command: str) -> str:
    """Give the version that a program prints, without the words around it."""
    version = re.search(r"\d+\.\d+\.\d+", host.check_output(command))
    return version[0] if version else ""


def _enabled(host: TestinfraHost, unit: str) -> bool:
    return bool(host.service(unit).is_enabled)


def _runs(host: TestinfraHost, unit: str) -> bool:
    return bool(host.service(unit).is_running)


def _in_group(host: TestinfraHost, user: str) -> bool:
    return "docker" in host.user(user).groups
