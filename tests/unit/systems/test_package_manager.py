from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amiforge.errors import FactUnreadable
from amiforge.systems.apt import Apt
from amiforge.systems.dnf import Dnf
from amiforge.systems.package_manager import (
    Holds,
    PackageManager,
    PackageVersion,
    RepositoryOptions,
    UpdateOptions,
    matches,
)
from amiforge.systems.yum import Yum

MANAGERS: tuple[PackageManager, ...] = (Dnf(), Yum(), Apt())


@pytest.mark.parametrize(
    ("installed", "wanted", "expected"),
    [
        ("3:580.159.03-1.amzn2023", "580.159.03", True),
        ("3:580.159.03-1.amzn2023", "3:580.159.03", True),
        ("3:580.159.03-1.amzn2023", "580.159.03-1.amzn2023", True),
        ("580.159.03-0ubuntu0.24.04.1", "580.159.03", True),
        ("5:28.0.1-1~ubuntu.24.04~noble", "28.0.1", True),
        ("3:580.159.03-1.amzn2023", "2:580.159.03", False),
        ("3:580.159.03-1.amzn2023", "580.159", False),
        ("3:580.159.03-1.amzn2023", "580.159.03-1", False),
        ("3:580.159.03-1.amzn2023", "3", False),
        ("1.7-1", "1.7-1", True),
    ],
)
def test_a_version_may_leave_out_epoch_and_release_and_nothing_else(
    installed: str, wanted: str, expected: bool
) -> None:
    assert matches(installed, wanted) is expected


RPM = (
    "warning: Found bdb Packages database while attempting sqlite backend\n"
    "jq\t0\t1.7.1\t1.amzn2023\tx86_64\n"
    "package nope is not installed\n"
    "nvidia-driver\t3\t580.159.03\t1.amzn2023\tx86_64\n"
    "kernel\t0\t6.1.119\t129.201.amzn2023\tx86_64\n"
    "kernel\t0\t6.1.132\t147.221.amzn2023\tx86_64\n"
)


@pytest.mark.parametrize("manager", [Dnf(), Yum()])
def test_rpm_package_left_in_two_versions_names_the_cut_off_transaction_and_its_repair(manager: PackageManager) -> None:
    with pytest.raises(FactUnreadable, match=r"jq is installed twice, as 1\.7\.1-1\.amzn2023 and 1\.8-1") as error:
        manager.read_installed(f"{RPM}jq\t0\t1.8\t1\tx86_64\n", ["jq", "nope"])
    assert manager.name in error.value.lines["fix"]


@pytest.mark.parametrize("manager", [Dnf(), Yum()])
def test_rpm_gives_every_installed_version(manager: PackageManager) -> None:
    assert manager.read_installed(RPM, ["jq", "nope", "nvidia-driver", "kernel"]) == {
        "jq": ("1.7.1-1.amzn2023",),
        "nope": (),
        "nvidia-driver": ("3:580.159.03-1.amzn2023",),
        "kernel": ("6.1.119-129.201.amzn2023", "6.1.132-147.221.amzn2023"),
    }


@pytest.mark.parametrize(
    "printed",
    [
        "error: cannot open Packages index using sqlite - Operation not permitted (1)\npackage jq is not installed\n",
        "sh: 1: rpm: not found\n",
        "",
        "package git is not installed\n",
    ],
)
def test_a_broken_rpm_database_is_not_an_absent_package(printed: str) -> None:
    with pytest.raises(FactUnreadable):
        Dnf().read_installed(printed, ["jq"])


DPKG = (
    "dpkg-query: no packages found matching nope\n"
    "un \tawk\t\n"
    "hi \tlinux-aws\t6.8.0-1024.26\n"
    "rc \tsnapd\t2.66\n"
    "iF \thalf\t1.0\n"
    "ii \tlibc6\t2.39-0ubuntu8.4\n"
    "ii \tlibc6\t2.39-0ubuntu8.4\n"
)


def test_dpkg_counts_only_what_is_wholly_installed() -> None:
    names = ["nope", "awk", "linux-aws", "snapd", "half", "libc6"]
    assert Apt().read_installed(DPKG, names) == {
        "nope": (),
        "awk": (),
        "linux-aws": ("6.8.0-1024.26",),
        "snapd": (),
        "half": (),
        "libc6": ("2.39-0ubuntu8.4", "2.39-0ubuntu8.4"),
    }


# dnf 4.14 with -q, and yum 3.4 which breaks rows of long names.
CHECK_UPDATE = """
a-package-with-a-very-long-name-that-makes-columns-wrap.noarch 2.0.20260101.build99-1.amzn2023.0.4 local
jq.noarch                                                      1.7-1.amzn2023                      local
nvidia-driver.x86_64                                           3:595.91.07-1.amzn2023              local
java-1.8.0-amazon-corretto-devel.x86_64
                     1:1.8.0_442.b06-1.amzn2           amzn2extra-corretto8
Obsoleting Packages
grub2-tools.x86_64               1:2.06-61.amzn2023.0.9         amazonlinux
    grub2-tools.x86_64           1:2.02-35.amzn2.0.4            installed
Security: kernel-6.1.119-129.201.amzn2023.x86_64 is an installed security update
"""


@pytest.mark.parametrize("manager", [Dnf(), Yum()])
def test_check_update_gives_newer_versions_of_the_names_asked_for(manager: PackageManager) -> None:
    names = ["jq", "java-1.8.0-amazon-corretto-devel", "git", "grub2-tools"]
    assert manager.read_outdated(100, CHECK_UPDATE, names) == {
        "jq": "1.7-1.amzn2023",
        "java-1.8.0-amazon-corretto-devel": "1:1.8.0_442.b06-1.amzn2",
        "git": "",
        "grub2-tools": "",
    }
    assert manager.read_outdated(0, "", ["jq"]) == {"jq": ""}
    assert manager.read_outdated(1, "Error: no repo\n\n", ["jq"]) == {"jq": "not known: Error: no repo"}


@pytest.mark.parametrize("manager", [Dnf(), Yum()])
def test_updates_of_each_item_are_told_apart(manager: PackageManager) -> None:
    printed = f"{CHECK_UPDATE}\n\x1e100\n\n\x1e0\nError: cannot\n\x1e1\n"
    assert manager.read_updates(printed, ["", "--security", "--exclude=x"]) == {
        "": (
            "a-package-with-a-very-long-name-that-makes-columns-wrap 2.0.20260101.build99-1.amzn2023.0.4",
            "jq 1.7-1.amzn2023",
            "nvidia-driver 3:595.91.07-1.amzn2023",
            "java-1.8.0-amazon-corretto-devel 1:1.8.0_442.b06-1.amzn2",
        ),
        "--security": (),
        "--exclude=x": ("not known: Error: cannot",),
    }


@pytest.mark.parametrize("printed", ["", "jq\n", "\n\x1e100\n", "words\n\x1e100\n", "\n\x1e0\n\n\x1e0\n"])
def test_updates_that_make_no_sense_are_unreadable(printed: str) -> None:
    with pytest.raises(FactUnreadable):
        Dnf().read_updates(printed, [""])


def test_groups_are_known_by_id() -> None:
    printed = "Installed Environment Groups:\n   Minimal (minimal)\nInstalled Groups:\n   Tools (C) (development)\n"
    assert Dnf().read_groups(printed, ["@development", "@gnome", "@C"]) == {
        "@development": True,
        "@gnome": False,
        "@C": False,
    }


POLICY = """jq:
  Installed: 1.7.1-3build1
  Candidate: 1.7.1-3ubuntu0.24.04.1
  Version table:
     1.7.1-3ubuntu0.24.04.1 500
        500 http://archive.ubuntu.com/ubuntu noble-updates/main amd64 Packages
 *** 1.7.1-3build1 100
        100 /var/lib/dpkg/status
git:
  Installed: 1:2.43.0-1ubuntu7.2
  Candidate: 1:2.43.0-1ubuntu7.2
  Version table:
virtual:
  Installed: (none)
  Candidate: (none)
  Version table:
"""


def test_apt_policy_gives_the_candidate_when_it_is_another_version() -> None:
    assert Apt().read_outdated(0, POLICY, ["jq", "git", "virtual", "nope"]) == {
        "jq": "1.7.1-3ubuntu0.24.04.1",
        "git": "",
        "virtual": "",
        "nope": "not known: no repository has it",
    }


def test_version_locks_are_read_in_dnfs_and_yums_way_of_writing() -> None:
    rows = (
        "kernel\t0\t6.1.119\t129.amzn2023\tx86_64\n"
        "kernel\t0\t6.1.132\t147.amzn2023\tx86_64\n"
        "nvidia-driver\t3\t580.159.03\t1.amzn2023\tx86_64\n"
    )
    dnf = f"kernel-0:6.1.132-147.amzn2023.*\n!nvidia-driver-3:580.159.03-1.amzn2023.*\n\n\x1e0\n{rows}"
    assert Dnf().read_holds(dnf, ["kernel*", "nvidia*", "xorg*"]) == {
        "kernel*": Holds(("kernel-6.1.132-147.amzn2023",), ("kernel-6.1.119-129.amzn2023",)),
        "nvidia*": Holds((), ("nvidia-driver-3:580.159.03-1.amzn2023",)),
        "xorg*": Holds(),
    }
    yum = f"3:nvidia-driver-580.159.03-1.amzn2023.*\nversionlock list done\n\n\x1e0\n{rows}"
    assert Yum().read_holds(yum, ["nvidia*"])["nvidia*"].free == ()


def test_dpkg_selections_tell_holds() -> None:
    printed = "hi \tlinux-aws\t6.8\nii \tlinux-image-aws:amd64\t6.8\nrc \tlinux-old\t5.4\n"
    assert Apt().read_holds(printed, ["linux-*"]) == {"linux-*": Holds(("linux-aws=6.8",), ("linux-image-aws=6.8",))}


@pytest.mark.parametrize("manager", MANAGERS, ids=lambda manager: manager.name)
@given(printed=st.one_of(st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape")), st.text()))
def test_garbage_is_a_value_or_unreadable_and_nothing_else(manager: PackageManager, printed: str) -> None:
    for read in (
        lambda: manager.read_installed(printed, ["jq"]),
        lambda: manager.read_outdated(100, printed, ["jq"]),
        lambda: manager.read_outdated(0, printed, ["jq"]),
        lambda: manager.read_updates(printed, ["", "--security"]),
        lambda: manager.read_updates(f"{printed}\n\x1e0\n", [""]),
        lambda: manager.read_holds(printed, ["kernel*"]),
        lambda: manager.read_holds(f"{printed}\n\x1e0\n{printed}", ["kernel*"]),
    ):
        try:
            found: dict[str, object] = dict(read())
        except FactUnreadable:
            continue
        assert found


@pytest.mark.parametrize("manager", MANAGERS, ids=lambda manager: manager.name)
@given(lines=st.permutations((RPM + DPKG + CHECK_UPDATE + POLICY).splitlines()), cut=st.integers(0, 900))
def test_shuffled_and_cut_answers_are_a_value_or_unreadable(
    manager: PackageManager, lines: list[str], cut: int
) -> None:
    printed = "\n".join(lines)[:cut]
    for read in (
        lambda: manager.read_installed(printed, ["jq"]),
        lambda: manager.read_outdated(100, printed, ["jq"]),
        lambda: manager.read_updates(f"{printed}\n\x1e100\n", [""]),
        lambda: manager.read_holds(f"\n\x1e0\n{printed}", ["kernel*"]),
    ):
        try:
            assert dict(read())
        except FactUnreadable:
            continue


@pytest.mark.parametrize("manager", MANAGERS, ids=lambda manager: manager.name)
def test_no_order_needs_a_terminal_and_no_order_takes_a_name_for_an_option(manager: PackageManager) -> None:
    texts = (
        manager.install((PackageVersion("jq"),)).text(),
        manager.install((PackageVersion("jq", "1.7"),)).text(),
        manager.upgrade(("jq",)).text(),
        manager.remove(("jq",)).text(),
    )
    assert all(" -y " in text for text in texts)
    assert all(" -- " in text for text in texts)


@pytest.mark.parametrize(
    ("manager", "setting", "line"),
    [
        (Dnf(), "gpgcheck", "gpgcheck=1"),
        (Yum(), "gpgkey", "gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-x"),
        (Apt(), "Signed-By", "Signed-By: /etc/apt/keyrings/x.asc"),
    ],
)
def test_settings_cannot_turn_off_signatures(manager: PackageManager, setting: str, line: str) -> None:
    text = manager.repository_text(RepositoryOptions("x", "https://x.example", settings=((setting, "0"),)))
    assert [each for each in text.splitlines() if each.startswith(setting)] == [line]


def test_options_of_an_update_are_one_item() -> None:
    options = UpdateOptions(security=True, exclude=("kernel*", "dkms"), release="latest")
    assert Dnf().updates_item(options) == "--security\n--releasever=latest\n--exclude=kernel*\n--exclude=dkms"
