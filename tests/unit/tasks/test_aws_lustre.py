"""The Lustre client: where it comes from, which kernels have one, and mounts that no boot waits for."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from amiforge.engine.plan import lay_out
from amiforge.resources import Block, Run
from amiforge.systems import by_name
from amiforge.systems.system import System
from amiforge.tasks.aws_lustre import AwsLustre, Mount, covered

MOUNT = Mount(dns_name="fs-0123.fsx.us-east-1.amazonaws.com", mount_name="abcdefgh")


def names(name: str, kernel: str = "", task: AwsLustre | None = None) -> list[str]:
    system = System(os=by_name(name), default_kernel=kernel)
    return [item.resource.name for item in lay_out([task or AwsLustre()], system)]


@pytest.mark.parametrize(
    ("os", "kernel", "wanted"),
    [
        ("al2023", "6.1.79-99.167.amzn2023.x86_64", True),
        ("al2023", "6.1.79-99.164.amzn2023.x86_64", False),
        ("al2023", "6.1.9-99.167.amzn2023.x86_64", False),
        ("al2023", "6.12.103-126.191.amzn2023.aarch64", True),
        ("al2023", "6.19.1-1.1.amzn2023.x86_64", False),
        ("amzn2", "5.10.144-127.601.amzn2.x86_64", True),
        ("amzn2", "5.10.144-127.600.amzn2.x86_64", False),
        ("ubuntu2404", "6.8.0-1023-aws", False),
        ("ubuntu2404", "6.8.0-1024-aws", True),
        ("ubuntu2404", "6.8.0-1033-aws", True),
        ("ubuntu2404", "6.8.0-1034-aws", False),
        ("ubuntu2404", "6.17.0-1010-aws", True),
        ("ubuntu2204", "5.15.0-1051-aws", True),
        ("ubuntu2204", "5.15.0-1052-aws", False),
        ("ubuntu2204", "6.5.0-1020-aws", True),
        ("ubuntu2204", "6.17.0-1010-aws", False),
        ("debian12", "6.1.0-1-amd64", False),
        ("ubuntu2404", "", False),
    ],
)
def test_kernels_are_covered_line_by_line(os: str, kernel: str, wanted: bool) -> None:
    assert covered(os, kernel) is wanted


def test_amazon_linux_has_the_client_itself() -> None:
    assert names("al2023")[0] == "packages lustre-client"
    assert names("amzn2")[:2] == ["run enable the topic lustre", "packages lustre-client"]


def test_ubuntu_takes_modules_for_the_kernel_that_boots_next_from_the_fsx_repository() -> None:
    modules = "lustre-client-modules-6.17.0-1010-aws"
    assert names("ubuntu2404", "6.17.0-1010-aws")[:3] == [
        "repository fsx-lustre-client",
        f"run find {modules}",
        f"packages {modules}, lustre-client-utils",
    ]


def test_a_kernel_without_modules_is_named_with_what_to_do() -> None:
    items = lay_out([AwsLustre()], System(os=by_name("ubuntu2404"), default_kernel="7.1.0-1001-aws"))
    [find] = [item.resource for item in items if isinstance(item.resource, Run)]
    assert find.command.args == ("lustre-client-modules-7.1.0-1001-aws",)
    assert "boot a kernel that it covers" in find.command.script


def test_a_mount_is_looked_for_only_when_somebody_looks_at_it() -> None:
    [block] = [
        item.resource
        for item in lay_out([AwsLustre(mounts=(MOUNT,))], System(os=by_name("al2023")))
        if isinstance(item.resource, Block)
    ]
    device, path, kind, options, *numbers = block.text.split()
    assert (device, path, kind) == ("fs-0123.fsx.us-east-1.amazonaws.com@tcp:/abcdefgh", "/fsx", "lustre")
    assert {"_netdev", "nofail", "x-systemd.automount", "noatime", "flock"} <= set(options.split(","))
    assert numbers == ["0", "0"]


def test_without_mounts_nothing_of_ours_is_in_fstab() -> None:
    items = lay_out([AwsLustre()], System(os=by_name("al2023")))
    assert [item.resource.present for item in items if isinstance(item.resource, Block)] == [False]


@pytest.mark.parametrize(
    "wrong", [{"path": "/my data"}, {"path": "fsx"}, {"path": "/"}, {"options": "defaults 0 0"}, {"dns_name": "a b"}]
)
def test_what_would_be_another_line_of_fstab_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Mount.model_validate({**MOUNT.model_dump(), **wrong})
