from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from amiforge.engine.query import Answer
from amiforge.engine.resource import Resource
from amiforge.errors import RecipeError
from amiforge.resources.packages import Packages, Updates
from amiforge.systems import by_name
from amiforge.systems.package_manager import PackageVersion
from amiforge.systems.system import System
from tests.realshell import converge, differing, run
from tests.unit.resources.law import Law
from tests.unit.resources.package_host import PackageHost

AL2023, AMZN2, UBUNTU = (System(by_name(name)) for name in ("al2023", "amzn2", "ubuntu2404"))


def shown(resource: Resource, system: System) -> list[str]:
    keys = frozenset(resource.desired(system))
    return [f"{change.summary}: {change.command}" for change in resource.changes(keys, system)]


@pytest.mark.parametrize(
    ("resource", "system", "expected"),
    [
        (Packages(("jq", "git")), AL2023, "install jq, git: dnf -y install jq git"),
        (Packages({"nv": "580.1", "jq": ""}), AL2023, "install nv 580.1, jq: dnf -y install nv-580.1 jq"),
        (Packages(("jq",), latest=True), AL2023, "upgrade jq: dnf -y upgrade jq"),
        (
            Packages(("jq",), present=False),
            AL2023,
            "remove jq: dnf -y --setopt=clean_requirements_on_remove=False remove -- jq",
        ),
        (Packages(("@development",)), AL2023, "install @development: dnf -y install @development"),
        (Packages(("jq", "git")), AMZN2, "install jq, git: yum -y install -- jq git"),
        (Packages({"nv": "550.1"}), AMZN2, "install nv 550.1: yum -y install nv-550.1"),
        (Packages(("jq",), latest=True), AMZN2, "upgrade jq: yum -y update jq"),
        (
            Packages(("jq",), present=False),
            AMZN2,
            "remove jq: yum -y --setopt=clean_requirements_on_remove=0 remove -- jq",
        ),
        (Packages(("jq", "git")), UBUNTU, "install jq, git: apt-get -y install jq git"),
        (Packages({"nv": "580.1"}), UBUNTU, "install nv 580.1: apt-get -y install nv=580.1"),
        (Packages(("jq",), latest=True), UBUNTU, "upgrade jq: apt-get -y install jq"),
        (Packages(("jq",), present=False), UBUNTU, "remove jq: apt-get -y remove jq"),
        (Updates(), AL2023, "install updates: dnf -y --refresh upgrade"),
        (
            Updates(security=True, exclude=("kernel*",), release="latest"),
            AL2023,
            (
                "install security updates except kernel*: "
                "dnf -y --refresh --security --releasever=latest '--exclude=kernel*' upgrade"
            ),
        ),
        (
            Updates(security=True, exclude=("kernel*",)),
            AMZN2,
            "install security updates except kernel*: yum -y --security '--exclude=kernel*' update",
        ),
        (
            Updates(security=True, exclude=("linux-*",)),
            UBUNTU,
            "install security updates except linux-*: apt-get -y dist-upgrade security exclude=linux-*",
        ),
        (Updates(), UBUNTU, "install updates: apt-get -y dist-upgrade"),
    ],
)
def test_commands(resource: Resource, system: System, expected: str) -> None:
    assert shown(resource, system) == [expected]


def test_text_of_a_plain_install_is_plain_words_and_recommendations_can_be_left_out() -> None:
    (change,) = Packages(("jq", "git"), weak=False).changes(frozenset({"jq", "git"}), AL2023)
    assert change.command.text() == "dnf -y --setopt=install_weak_deps=False install -- jq git"
    assert change.job
    assert "/var/lib/rpm/.rpm.lock" in change.locks


def test_only_what_differs_is_installed() -> None:
    (change,) = Packages(("jq", "git", "tree")).changes(frozenset({"git"}), AL2023)
    assert str(change.command) == "dnf -y install git"


@pytest.mark.parametrize(
    "build",
    [
        lambda: Packages(("--installroot=/x",)),
        lambda: Packages(("jq\nrm",)),
        lambda: Packages(("kernel*",)),
        lambda: Packages(("/usr/bin/jq",)),
        lambda: Packages(()),
        lambda: Packages(("jq", "jq")),
        lambda: Packages({"jq": "1.7; reboot"}),
        lambda: Packages({"@development": "1"}),
        lambda: Packages({"jq": "1.7"}, latest=True),
        lambda: Packages({"jq": "1.7"}, present=False),
        lambda: Updates(exclude=("--x",)),
        lambda: Updates(release="2023 --nogpgcheck"),
        lambda: list(Packages(("@development",)).queries(UBUNTU)),
        lambda: list(Updates(release="latest").queries(UBUNTU)),
    ],
)
def test_impossible_wishes_are_refused(build: Callable[[], object]) -> None:
    with pytest.raises(RecipeError):
        build()


def test_names_come_as_one_string_as_pairs_and_from_a_kernel() -> None:
    assert Packages("jq") == Packages(("jq",)) == Packages({"jq": ""}) == Packages((PackageVersion("jq"),))
    build = AL2023.os.kernel.packages("6.12.40-64.114.amzn2023.x86_64").build
    assert Packages(build).desired(AL2023) == {
        "kernel6.12-devel": "6.12.40-64.114.amzn2023",
        "kernel6.12-headers": "6.12.40-64.114.amzn2023",
    }
    assert hash(Packages({"a": "1"})) == hash(Packages({"a": "1"}))


def test_packages_of_many_resources_are_one_question() -> None:
    first, second = Packages(("jq",)), Packages(("git",))
    assert {query.kind for query in (*first.queries(AL2023), *second.queries(AL2023))} == {
        next(iter(first.queries(System(by_name("al2023"), arch="aarch64")))).kind
    }


def versions(system: System, **more: Any) -> dict[str, Any]:
    """Give a host on which an nv of the wanted version has an epoch and a release."""
    first, second = ("3:1.0-1.amzn", "3:2.0-1.amzn") if system != UBUNTU else ("3:1.0-1ubuntu1", "3:2.0-1ubuntu1")
    available = {"nv": [first, second], "jq": ["1.6-1", "1.7-1"], "tree": ["2.0-1"], "kernel": ["6.1-1", "6.1-2"]}
    return {"available": available, "installed": {"versionlock": "1-1", "yum-plugin-versionlock": "1-1"}, **more}


every_manager = pytest.mark.parametrize("system", [AL2023, AMZN2, UBUNTU], ids=lambda system: system.os.packages.name)


@pytest.fixture
def law(tmp_path: Path, system: System) -> Law:
    return Law(PackageHost(tmp_path, **versions(system)), system)


@pytest.mark.shell
@pytest.mark.subprocesses
@every_manager
def test_law_of_packages(law: Law) -> None:
    law.holds(Packages(("jq", "tree")), "jq", "tree")
    law.host.install(tree="")
    law.holds(Packages(("jq", "tree")), "tree")
    law.holds(Packages(("jq",), present=False), "jq")
    law.host.install(jq="1.6-1")
    law.holds(Packages(("jq", "tree"), latest=True), "jq")
    assert law.host.read()["installed"]["jq"] == "1.7-1"


@pytest.mark.shell
@pytest.mark.subprocesses
@every_manager
def test_law_of_exact_versions_up_down_and_under_a_hold(law: Law) -> None:
    law.holds(Packages({"nv": "2.0", "tree": ""}), "nv", "tree")
    law.holds(Packages({"nv": "1.0"}), "nv")
    first = law.host.read()["installed"]["nv"]
    law.host.change(locks=[f"nv-{first}.*"], held=["nv"])
    law.holds(Packages({"nv": "2.0", "tree": ""}), "nv")
    law.holds(Packages({"nv": law.host.read()["installed"]["nv"]}))


@pytest.mark.shell
@pytest.mark.subprocesses
@every_manager
def test_law_of_updates(law: Law) -> None:
    law.host.install(jq="1.6-1", kernel="6.1-1", tree="2.0-1")
    law.holds(Updates(security=True))
    law.host.change(security=["jq", "kernel"])
    planned = law.plan(Updates(security=True, exclude=("kern*",)))
    assert [difference.actual for difference in planned.differences] == [("jq 1.7-1",)]
    law.holds(Updates(security=True, exclude=("kern*",)), "pending")
    assert law.host.read()["installed"]["kernel"] == "6.1-1"
    law.holds(Updates(), "pending")
    assert law.host.read()["installed"]["kernel"] == "6.1-2"


@pytest.mark.shell
@pytest.mark.subprocesses
@pytest.mark.parametrize("system", [AL2023, AMZN2], ids=["al2023", "amzn2"])
def test_law_of_groups(law: Law) -> None:
    law.holds(Packages(("@development", "jq")), "@development", "jq")
    law.host.change(groups=[])
    law.holds(Packages(("@development", "jq")), "@development")
    law.holds(Packages(("@development",), present=False), "@development")


@pytest.mark.shell
@pytest.mark.subprocesses
@every_manager
def test_an_order_that_says_yes_and_does_nothing_leaves_the_difference(law: Law) -> None:
    law.host.change(lies=True)
    wanted = Packages(("jq",))
    converge(law.plan(wanted), prelude=law.host.prelude)
    assert differing(law.plan(wanted)) == {"jq"}


@pytest.mark.shell
@pytest.mark.subprocesses
@every_manager
def test_a_version_that_no_repository_has_fails_and_says_so(law: Law) -> None:
    (change,) = law.plan(Packages({"nv": "9.9"})).changes
    answer = run(change, prelude=law.host.prelude)
    assert answer.status != 0
    assert b"nv" in answer.stderr


@pytest.mark.shell
@pytest.mark.subprocesses
@pytest.mark.parametrize("system", [UBUNTU], ids=["ubuntu2404"])
def test_old_package_lists_prove_nothing_and_are_fetched_before_an_install(law: Law) -> None:
    law.host.install(jq="1.7-1")
    law.host.change(fresh=False)
    planned = law.plan(Updates())
    assert [difference.actual for difference in planned.differences] == [
        ("not known: the package lists are older than a day",)
    ]
    assert differing(law.plan(Packages(("jq",), latest=True))) == {"jq"}
    law.holds(Packages(("tree",)), "tree")
    assert "apt-get -o APT::Update::Error-Mode=any update" in law.host.orders
    law.holds(Updates())


@pytest.mark.shell
@pytest.mark.subprocesses
@every_manager
def test_everything_that_differs_is_one_transaction(law: Law) -> None:
    wanted = Packages({"nv": "1.0", "jq": "", "tree": ""})
    converge(law.plan(wanted), prelude=law.host.prelude)
    orders = [line for line in law.host.orders if " install " in line]
    assert len(orders) == 1
    assert all(name in orders[0] for name in ("nv", "jq", "tree"))


@pytest.mark.shell
@pytest.mark.subprocesses
@pytest.mark.parametrize(
    ("system", "expected"),
    [
        (
            AL2023,
            [
                "dnf -q --disablerepo=* versionlock delete nv",
                "dnf -y --setopt=install_weak_deps=True install -- nv-2.0 tree",
            ],
        ),
        (
            AMZN2,
            [
                "yum -q versionlock delete nv",
                "yum -y install -- nv-2.0 tree",
            ],
        ),
        (
            UBUNTU,
            [
                "dpkg --force-confdef --force-confold --configure -a",
                "apt-mark unhold nv",
                "apt-cache madison -- nv",
                (
                    "apt-get -y -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confdef"
                    " -o Dpkg::Options::=--force-confold -o APT::Install-Recommends=true"
                    " --allow-downgrades install -- nv=3:2.0-1ubuntu1 tree"
                ),
            ],
        ),
    ],
    ids=["dnf", "yum", "apt"],
)
def test_programs_that_an_exact_install_runs(law: Law, expected: list[str]) -> None:
    (change,) = Packages({"nv": "2.0", "tree": ""}).changes(frozenset({"nv", "tree"}), law.system)
    assert run(change, prelude=law.host.prelude).status == 0
    assert law.host.orders == expected


def test_an_update_that_cannot_be_told_is_a_value() -> None:
    query = next(iter(Updates().queries(AL2023)))
    answer = Answer(0, b"Error: Failed to download metadata for repo 'core'\n\x1e1\n", b"")
    assert query.kind.parse(answer, [query.item]) == {
        "": ("not known: Error: Failed to download metadata for repo 'core'",)
    }
