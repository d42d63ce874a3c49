from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from amiforge.engine.query import Answer, Replies
from amiforge.errors import RecipeError
from amiforge.resources.file_state import FileState, look_at
from amiforge.resources.sysctl import SYSCTLS, Sysctl
from tests.realshell import SYSTEM, ask, converge, differing, own_etc, replies, sh

MACHINE = replace(SYSTEM, container=False)


def test_commands() -> None:
    file, live = Sysctl("net.ipv4.tcp_rmem", "1  2\t3").changes(frozenset({"file", "value"}), MACHINE)
    assert file.command.args[0] == "/etc/sysctl.d/60-net.ipv4.tcp_rmem.conf"
    assert file.command.args[-1] == "bmV0LmlwdjQudGNwX3JtZW0gPSAxIDIgMwo="  # net.ipv4.tcp_rmem = 1 2 3
    assert live.command.args == ("net/ipv4/tcp_rmem", "1 2 3")


@pytest.mark.parametrize(
    ("live", "expected"), [("1 2 3", "1 2 3"), ("9", "9"), (None, None), ("not to be changed here", "1 2 3")]
)
def test_a_value_that_nobody_may_change_counts_as_wanted(live: str | None, expected: str | None) -> None:
    resource = Sysctl("vm.x", "1 2 3")
    file, value = resource.queries(MACHINE)
    found = resource.actual(Replies({file: FileState(), value: live}), MACHINE)
    assert found["value"] == expected


def test_a_container_is_asked_for_the_file_alone() -> None:
    resource = Sysctl("vm.swappiness", 10)
    assert list(resource.queries(SYSTEM)) == [look_at("/etc/sysctl.d/60-vm.swappiness.conf")]
    assert set(resource.desired(SYSTEM)) == {"file"}


def test_a_key_with_slashes_may_have_dots_in_its_parts() -> None:
    resource = Sysctl("net/ipv4/conf/eth0.1/forwarding", 1)
    assert [query.item for query in resource.queries(MACHINE)] == [
        "/etc/sysctl.d/60-net-ipv4-conf-eth0.1-forwarding.conf",
        "net/ipv4/conf/eth0.1/forwarding",
    ]


@pytest.mark.parametrize(("key", "value"), [("x", 1), ("../x.y", 1), ("a.b", ""), ("a.b", "x\x00"), ("-w a.b", 1)])
def test_what_is_no_kernel_parameter_is_refused(key: str, value: str | int) -> None:
    with pytest.raises(RecipeError):
        Sysctl(key, value)


def test_white_space_in_the_answer_does_not_count() -> None:
    answer = Answer(0, b"value a/b 1\t2  3 \nabsent a/c\nfixed a/d\n", b"")
    assert SYSCTLS.parse(answer, ["a/b", "a/c"]) == {"a/b": "1 2 3", "a/c": None}


@pytest.mark.shell
@pytest.mark.subprocesses
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_host_is_asked_for_real_values(shell: str) -> None:
    kernel = Path("/proc/sys/kernel/threads-max").read_text().strip()
    resources = [Sysctl("kernel.threads-max", kernel), Sysctl("kernel.nosuch", 1), Sysctl("kernel.ostype", "x")]
    answers = replies(resources, MACHINE, shell)
    states = [resource.actual(answers, MACHINE)["value"] for resource in resources]
    assert states[:2] == [kernel, None]
    # Root may open it for writing; the kernel then refuses.
    assert states[2] in {"x", "Linux"}


@pytest.mark.shell
@pytest.mark.subprocesses
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_idempotence_and_drift(tmp_path: Path, shell: str) -> None:
    within = own_etc(tmp_path)
    kernel = Path("/proc/sys/kernel/threads-max").read_text().strip()
    resource = Sysctl("kernel.threads-max", kernel)
    first = ask(resource, MACHINE, shell, within=within)
    assert differing(first) == {"file"}
    converge(first, shell, within=within)
    assert ask(resource, MACHINE, shell, within=within).as_wanted
    path = tmp_path / "etc/sysctl.d/60-kernel.threads-max.conf"
    assert path.read_text() == f"kernel.threads-max = {kernel}\n"
    path.write_text("kernel.threads-max = 1\n")
    assert differing(ask(resource, MACHINE, shell, within=within)) == {"file"}
    converge(ask(resource, MACHINE, shell, within=within), shell, within=within)
    assert ask(resource, MACHINE, shell, within=within).as_wanted


@pytest.mark.shell
@pytest.mark.subprocesses
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_live_value_is_set_and_read_again(tmp_path: Path, shell: str) -> None:
    # A UTS namespace of its own lets the host name, a kernel parameter like others, be changed without harm.
    within = own_etc(tmp_path)
    resource = Sysctl("kernel.hostname", "drifted")
    (change,) = resource.changes(frozenset({"value"}), MACHINE)
    private = ("unshare", "--uts", *within)
    answer = sh(f"{change.command.text()}\ncat /proc/sys/kernel/hostname", shell, private)
    assert answer.text == "drifted\n"
    file, value = resource.queries(MACHINE)
    answers = replies([resource], MACHINE, shell)
    assert answers[value] == Path("/proc/sys/kernel/hostname").read_text().strip()
    assert file in answers
