from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from amiforge.engine.plan import lay_out
from amiforge.resources import Artifact, JsonKeys, Packages, Repository, Service, VendorInstall
from amiforge.systems import by_name
from amiforge.systems.system import System
from amiforge.tasks.docker import Docker

DAEMON = "keys of /etc/docker/daemon.json"
SERVICES = ["service containerd.service", "service docker.service"]


def resources(task: Docker, os: str = "al2023", **facts: Any) -> list[Any]:
    return [item.resource for item in lay_out([task], System(os=by_name(os), **facts))]


def names(task: Docker, os: str) -> list[str]:
    return [resource.name for resource in resources(task, os)]


def keys(**daemon: Any) -> dict[str, str]:
    [found] = [resource for resource in resources(Docker(daemon=daemon)) if isinstance(resource, JsonKeys)]
    return dict(found.values)


@pytest.mark.parametrize(
    ("os", "expected"),
    [
        (
            "al2023",
            [
                "packages docker, containerd, runc",
                "hold of docker, containerd",
                "install Docker Compose",
                "user ec2-user",
                DAEMON,
                *SERVICES,
            ],
        ),
        (
            "amzn2",
            [
                "run enable the topic docker",
                "packages docker, containerd, runc",
                "hold of docker, containerd",
                "install Docker Compose",
                "user ec2-user",
                DAEMON,
                *SERVICES,
            ],
        ),
        *(
            (
                os,
                [
                    "packages docker.io, docker-compose, docker-compose-v2, podman-docker, containerd, runc",
                    "file /etc/apt/sources.list.d/docker.list",
                    "repository docker",
                    "packages docker-ce, docker-ce-cli, containerd.io, docker-buildx-plugin, docker-compose-plugin",
                    "hold of docker-ce, docker-ce-cli, containerd.io, docker-compose-plugin",
                    "user ubuntu",
                    DAEMON,
                    *SERVICES,
                ],
            )
            for os in ("ubuntu2204", "ubuntu2404")
        ),
    ],
)
def test_every_system_gets_it_from_where_its_vendor_puts_it(os: str, expected: list[str]) -> None:
    assert names(Docker(), os) == expected


def test_the_distributions_packages_go_and_dockers_key_is_known() -> None:
    gone, other, repository = resources(Docker(), "ubuntu2404")[:3]
    assert isinstance(gone, Packages)
    assert isinstance(repository, Repository)
    assert (gone.present, other.present, repository.components) == (False, False, "stable")
    assert repository.key_fingerprint == "9DC858229FC7DD38854AE2D88D81803C0EBFCD88"


@pytest.mark.parametrize(
    ("os", "wanted"),
    [
        ("al2023", {"docker": "25.0.16", "containerd": "2.2.5", "runc": "installed"}),
        (
            "ubuntu2404",
            {
                "docker-ce": "25.0.16",
                "docker-ce-cli": "25.0.16",
                "containerd.io": "2.2.5",
                "docker-buildx-plugin": "installed",
                "docker-compose-plugin": "2.40.3",
            },
        ),
    ],
)
def test_versions_are_those_of_engine_command_and_containerd(os: str, wanted: dict[str, str]) -> None:
    found = [
        each for each in resources(Docker(version="25.0.16", containerd="2.2.5"), os) if isinstance(each, Packages)
    ]
    assert found[-1].desired(System(os=by_name(os))) == wanted


def test_without_compose_there_is_none() -> None:
    for os in ("al2023", "ubuntu2404"):
        assert not any("compose" in name.lower() for name in names(Docker(compose=""), os) if "docker.io" not in name)


@pytest.mark.parametrize(
    ("arch", "version", "known"), [("x86_64", "2.40.3", True), ("aarch64", "2.40.3", True), ("x86_64", "5.0.1", False)]
)
def test_the_plugin_is_docker_composes_own_release(arch: str, version: str, known: bool) -> None:
    [install] = [each for each in resources(Docker(compose=version), arch=arch) if isinstance(each, VendorInstall)]
    [artifact] = install.sources
    assert isinstance(artifact, Artifact)
    assert artifact.url.endswith(f"/docker/compose/releases/download/v{version}/docker-compose-linux-{arch}")
    assert bool(artifact.sha256) is known


def test_keys_of_objects_are_owned_one_by_one() -> None:
    assert keys(features={"cdi": True}, runtimes={"a/b": {"path": "x"}}) == {
        "/default-ulimits/memlock": '{"Hard": -1, "Name": "memlock", "Soft": -1}',
        "/features/cdi": "true",
        "/log-driver": '"json-file"',
        "/log-opts/max-file": '"5"',
        "/log-opts/max-size": '"100m"',
        "/runtimes/a~1b": '{"path": "x"}',
    }


def test_keys_of_ours_are_replaced_and_removed() -> None:
    given: dict[str, Any] = {"log-driver": "journald", "log-opts": None, "default-ulimits": {}}
    assert keys(**given) == {"/default-ulimits": "{}", "/log-driver": '"journald"', "/log-opts": "null"}


@pytest.mark.parametrize(
    ("users", "expected"), [(None, ["user ec2-user"]), ((), []), (("a", "b"), ["user a", "user b"])]
)
def test_who_may_use_docker_is_said(users: tuple[str, ...] | None, expected: list[str]) -> None:
    assert [name for name in names(Docker(users=users), "al2023") if name.startswith("user ")] == expected


def test_docker_is_restarted_when_it_has_not_read_its_configuration() -> None:
    last = resources(Docker())[-1]
    assert last == Service("docker", restart_after=("/etc/docker/daemon.json",))


@pytest.mark.parametrize("options", [{"version": "latest"}, {"compose": "v2"}, {"containerd": "2"}])
def test_versions_are_exact_or_left_out(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Docker(**options)


def test_software_names_engine_containerd_and_plugin() -> None:
    lines = list(Docker(version="25.0.16").software(System(os=by_name("al2023"))))
    assert [(line.title, line.version, line.source) for line in lines] == [
        ("Docker Engine", "25.0.16", "Amazon Linux 2023"),
        ("containerd", "", "Amazon Linux 2023"),
        ("Docker Compose", "2.40.3", "github.com/docker/compose"),
    ]


class Host:
    """Says what Docker's programs would."""

    def check_output(self, command: str) -> str:
        return {
            "docker --version": "Docker version 25.0.16, build 6c3797b",
            "docker compose version --short": "v2.39.2",
        }[command]

    def user(self, name: str) -> Any:
        return type("User", (), {"groups": ["docker"] if name == "a" else ["wheel"]})


@pytest.mark.parametrize(
    ("title", "right"),
    [
        ("docker says its version", True),
        ("docker compose says 2.40.3", False),
        ("a may use Docker", True),
        ("b may use Docker", False),
    ],
)
def test_checks_tell_right_from_wrong(title: str, right: bool) -> None:
    host: Any = Host()
    checks = {check.title: check for check in Docker(users=("a", "b")).checks(host, System(os=by_name("al2023")))}
    assert (checks[title].found() == checks[title].expected) is right
