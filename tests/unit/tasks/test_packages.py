from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from amiforge.engine.plan import lay_out
from amiforge.resources import Updates
from amiforge.systems import by_name
from amiforge.systems.system import System
from amiforge.tasks.packages import Packages

KERNELS = {
    "al2023": "6.12.110-135.202.amzn2023.x86_64",
    "amzn2": "5.10.249-245.983.amzn2.x86_64",
    "ubuntu2404": "6.17.0-1010-aws",
}


def system(os: str) -> System:
    return System(os=by_name(os), kernel=KERNELS[os], default_kernel=KERNELS[os])


def names(task: Packages, os: str) -> list[str]:
    return [item.resource.name for item in lay_out([task], system(os))]


def updates(task: Packages, os: str) -> Updates:
    [found] = [item.resource for item in lay_out([task], system(os)) if isinstance(item.resource, Updates)]
    return found


TOOLS = "packages jq, git, htop, pciutils, unzip"
UNATTENDED = [
    f"service {unit}" for unit in ("apt-daily.timer", "apt-daily-upgrade.timer", "unattended-upgrades.service")
]


@pytest.mark.parametrize(
    ("os", "expected"),
    [
        (
            "al2023",
            [
                "security updates",
                f"{TOOLS}, dnf-utils",
                "reboot if needed",
                "packages kernel6.12-devel, kernel6.12-headers",
                "headers of no other kernel",
                "hold of kernel*",
            ],
        ),
        (
            "amzn2",
            [
                "file /etc/cloud/cloud.cfg.d/60-amiforge-updates.cfg",
                "security updates",
                f"{TOOLS}, yum-utils",
                "reboot if needed",
                "packages kernel-devel, kernel-headers",
                "headers of no other kernel",
                "hold of kernel*",
            ],
        ),
        (
            "ubuntu2404",
            [
                *UNATTENDED,
                "security updates",
                TOOLS,
                "reboot if needed",
                "packages linux-headers-6.17.0-1010-aws",
                "headers of no other kernel",
                "hold of linux-aws*, linux-image-*, linux-headers-*, linux-modules-*",
            ],
        ),
    ],
)
def test_one_update_one_reboot_the_headers_of_what_runs_and_only_then_the_hold(os: str, expected: list[str]) -> None:
    assert names(Packages(), os) == expected


def test_nothing_is_left_when_all_is_switched_off() -> None:
    off = Packages(
        update="none",
        install=(),
        hold_kernel=False,
        kernel_headers=False,
        only_its_headers=False,
        unattended_updates=True,
        allow_reboot=False,
    )
    assert [names(off, os) for os in KERNELS] == [[], [], []]


@pytest.mark.parametrize(("os", "release"), [("al2023", "latest"), ("amzn2", ""), ("ubuntu2404", "")])
def test_only_amazon_linux_2023_moves_to_a_release(os: str, release: str) -> None:
    assert updates(Packages(), os).release == release


@pytest.mark.parametrize("release", ["2023.9.20261012", "latest", ""])
def test_a_release_may_be_fixed(release: str) -> None:
    assert updates(Packages(release=release), "al2023").release == release


@pytest.mark.parametrize("options", [{"release": "2023"}, {"release": "2027.1.20270101"}, {"update": "some"}])
def test_impossible_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Packages(**options)


@pytest.mark.parametrize(
    ("os", "excluded"),
    [
        ("al2023", ("x*", "kernel*")),
        ("ubuntu2404", ("x*", "linux-aws*", "linux-image-*", "linux-headers-*", "linux-modules-*")),
    ],
)
def test_a_kernel_that_is_kept_is_left_out_of_updates(os: str, excluded: tuple[str, ...]) -> None:
    assert updates(Packages(kernel="keep", exclude=("x*",)), os).exclude == excluded


def test_software_names_every_package() -> None:
    lines = list(Packages(install=("jq",)).software(system("amzn2")))
    assert [(line.title, line.source) for line in lines] == [("jq", "Amazon Linux 2"), ("yum-utils", "Amazon Linux 2")]


class Host:
    """Says what rpm and dnf say."""

    def __init__(self, *printed: str) -> None:
        self.printed = list(printed)

    def run(self, *_: str) -> Any:
        return type("Result", (), {"stdout": self.printed.pop(0)})


LOCKED = "kernel6.12-0:6.12.110-135.202.amzn2023.*\n\n\x1e0\n"


@pytest.mark.parametrize(
    ("rows", "held"),
    [
        ("kernel6.12\t0\t6.12.110\t135.202.amzn2023\tx86_64\n", True),
        ("kernel6.12\t0\t6.12.111\t1.amzn2023\tx86_64\n", False),
        ("", False),
    ],
)
def test_the_kernel_counts_as_held_when_each_that_is_installed_is(rows: str, held: bool) -> None:
    host: Any = Host(LOCKED + rows)
    [check] = [check for check in Packages().checks(host, system("al2023")) if check.title.endswith("is held")]
    assert check.title == "package kernel6.12 is held"
    assert check.found() is held
