from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from amiforge.engine.plan import lay_out
from amiforge.errors import RecipeError
from amiforge.resources import SysctlFile
from amiforge.systems import SYSTEMS, by_name
from amiforge.systems.os import Os
from amiforge.systems.system import System
from amiforge.tasks.base import Base

KERNEL = "6.12.110-135.202.amzn2023.x86_64"
BARE = System(os=by_name("al2023"), kernel=KERNEL, default_kernel=KERNEL, container=True)
WHOLE = replace(BARE, modules=frozenset({"tcp_bbr", "sch_fq"}))


def names(task: Base, system: System) -> list[str]:
    return [item.resource.name for item in lay_out([task], system)]


def parameters(task: Base, system: System = WHOLE) -> dict[str, str]:
    [file] = [item.resource for item in lay_out([task], system) if isinstance(item.resource, SysctlFile)]
    return dict(file.values)  # type: ignore[arg-type]


@pytest.mark.parametrize("os", SYSTEMS, ids=lambda os: os.name)
def test_it_is_the_same_on_every_system(os: Os) -> None:
    assert names(Base(), System(os=os)) == [
        "kernel module tcp_bbr",
        "kernel parameters amiforge",
        "file /etc/security/limits.d/60-amiforge.conf",
        "file /etc/systemd/system.conf.d/60-amiforge.conf",
    ]


@pytest.mark.parametrize(
    ("modules", "wanted", "chosen", "queue", "loads"),
    [
        ({"tcp_bbr", "sch_fq"}, "bbr", "bbr", "fq", True),
        ({"tcp_bbr"}, "bbr", "bbr", None, True),
        ({"sch_fq"}, "bbr", "cubic", None, False),
        ({"tcp_bbr", "sch_fq"}, "cubic", "cubic", None, False),
        ({"tcp_bbr", "sch_fq"}, "keep", None, None, False),
    ],
)
def test_bbr_is_chosen_only_where_the_kernel_that_boots_has_it(
    modules: set[str], wanted: Any, chosen: str | None, queue: str | None, loads: bool
) -> None:
    system = replace(BARE, modules=frozenset(modules))
    found = parameters(Base(congestion_control=wanted), system)
    assert found.get("net.ipv4.tcp_congestion_control") == chosen
    assert found.get("net.core.default_qdisc") == queue
    assert ("kernel module tcp_bbr" in names(Base(congestion_control=wanted), system)) is loads


def test_timestamps_and_forwarding_are_nobodys_business_here() -> None:
    assert not {"net.ipv4.tcp_timestamps", "net.ipv4.ip_forward"} & set(parameters(Base()))


def test_parameters_are_added_replaced_and_left_alone() -> None:
    given: dict[str, str | int] = {"vm.swappiness": 1, "net.core.rmem_max": 9, "net.ipv4.tcp_rmem": ""}
    found = parameters(Base(sysctl=given))
    assert (found["vm.swappiness"], found["net.core.rmem_max"]) == ("1", "9")
    assert "net.ipv4.tcp_rmem" not in found
    assert found["net.ipv4.tcp_wmem"] == "4096 65536 67108864"


@pytest.mark.parametrize("given", [{"swappiness": 1}, {"a.b": "\0"}])
def test_what_is_no_kernel_parameter_is_refused(given: dict[str, str | int]) -> None:
    with pytest.raises((RecipeError, ValidationError)):
        Base(sysctl=given)


class Host:
    """Says what a machine would."""

    def __init__(self, files: dict[str, str], printed: str = "") -> None:
        self.files, self.printed, self.asked = files, printed, list[tuple[str, ...]]()

    def file(self, path: str) -> Any:
        return type("File", (), {"content_string": self.files.get(path, "")})

    def check_output(self, *words: str) -> str:
        self.asked.append(words)
        return self.printed


def outcome(host: Host, system: System, title: str) -> object:
    [check] = [check for check in Base().checks(host, system) if check.title.startswith(title)]
    return check.found() == check.expected


@pytest.mark.parametrize(("value", "right"), [("67108864", True), ("1", False)])
def test_a_machine_is_asked_for_the_value_and_a_container_for_the_file(value: str, right: bool) -> None:
    title = "kernel parameter net.core.rmem_max"
    text = f"net.core.rmem_max = {value}\n"
    assert outcome(Host({"/etc/sysctl.d/60-amiforge.conf": text}), WHOLE, title) is right
    machine = Host({}, f"{value}\t\n")
    assert outcome(machine, replace(WHOLE, container=False), title) is right
    assert machine.asked == [("sysctl -n %s", "net.core.rmem_max")]


@pytest.mark.parametrize(("limit", "right"), [("unlimited", True), ("64", False)])
def test_locked_memory_is_that_of_a_new_login_and_of_a_container_what_the_file_says(limit: str, right: bool) -> None:
    file = {"/etc/security/limits.d/60-amiforge.conf": f"# x\n* - memlock {limit}\nroot - memlock 1\n"}
    assert outcome(Host(file), WHOLE, "a login") is right
    assert outcome(Host({}, f"{limit}\n"), replace(WHOLE, container=False), "a login") is right
