from __future__ import annotations

import json
from typing import Any

import pytest

from amiforge.bake.diff import Change, Difference, as_markdown, as_text, compare
from amiforge.bake.inventory import File, Inventory, Module, Package
from amiforge.bake.manifest import Manifest
from tests.unit.bake.manifests import gpu, rpm


def with_inventory(made: Manifest, **fields: Any) -> Manifest:
    return made.model_copy(update={"inventory": made.inventory.model_copy(update=fields)})


def test_a_driver_bump_is_one_line() -> None:
    """Seven packages with an epoch, five modules, the option that asked for it: none of them has a line of its own."""
    found = compare(gpu(), gpu(driver="580.126.09", run="20261102-000000-bbbb", image="ami-0b"))
    assert as_text(found).splitlines() == [
        "ami-0a (eks_gpu on al2023 x86_64, 2026-11-01) → ami-0b (eks_gpu on al2023 x86_64, 2026-11-01)",
        "",
        "components",
        "  NVIDIA driver, NVIDIA Fabric Manager  580.105.08 → 580.126.09  (7 packages, 5 modules)",
    ]


def test_a_cuda_whose_version_is_in_the_names_of_its_packages_is_one_line() -> None:
    found = compare(gpu(), gpu(cuda="13.2"))
    (moved,) = found.components
    assert (moved.title, moved.before, moved.after) == ("CUDA toolkit", "13.0", "13.2")
    assert moved.packages == ("cuda-cudart-13-2", "cuda-toolkit-13-2", "libcublas-13-2")
    assert found.model_copy(update={"components": ()}).empty


def test_a_new_kernel_takes_its_packages_and_the_modules_built_for_it_along() -> None:
    found = compare(gpu(), gpu(kernel="6.12.55-74.119.amzn2023"))
    (moved,) = found.components
    assert moved.title == "kernel"
    assert moved.packages == ("kernel6.12", "kernel6.12-devel", "kernel6.12-modules-extra")
    assert moved.modules == ("efa", "nvidia", "nvidia (DKMS)", "nvidia_drm", "nvidia_modeset", "nvidia_uvm")
    assert found.model_copy(update={"components": ()}).empty


def test_an_ubuntu_kernel_is_in_the_names_of_its_packages() -> None:
    def image(kernel: str) -> Manifest:
        packages = (
            *(
                Package(kind="deb", name=f"linux-{part}-{kernel}-aws", version=f"{kernel}.{kernel[-2:]}", arch="amd64")
                for part in ("image", "headers", "modules")
            ),
            Package(kind="deb", name="linux-aws-headers-" + kernel, version=f"{kernel}.{kernel[-2:]}", arch="all"),
            Package(kind="deb", name="linux-aws", version=f"{kernel}.{kernel[-2:]}", arch="amd64"),
        )
        return gpu().model_copy(
            update={"inventory": Inventory(kernel=f"{kernel}-aws", default_kernel=f"{kernel}-aws", packages=packages)}
        )

    found = compare(image("6.8.0-1021"), image("6.8.0-1025"))
    assert [(each.title, len(each.packages)) for each in found.components] == [("kernel", 5)]
    assert found.model_copy(update={"components": ()}).empty


def test_an_installer_takes_its_download_along() -> None:
    found = compare(gpu(), gpu(efa="1.45.0"))
    (moved,) = found.components
    assert moved.downloads == ("https://efa-installer.amazonaws.com/aws-efa-installer-1.45.0.tar.gz",)
    assert found.model_copy(update={"components": ()}).empty


def test_a_download_that_changed_under_its_address_shows() -> None:
    other = gpu()
    artifacts = tuple(each.model_copy(update={"digest": "0" * 64}) for each in other.artifacts if each.kind == "file")
    found = compare(gpu(), other.model_copy(update={"artifacts": (*artifacts, other.artifacts[1])}))
    assert [each.after for each in found.downloads] == ["0" * 64]


def test_packages_of_one_source_that_moved_together_are_one_line() -> None:
    before = gpu(extra=(rpm("curl", "8.1-1"), rpm("old", "1.0-1"), rpm("jq", "1.7-1"), rpm("tree", "1.7-1")))
    after = gpu(extra=(rpm("curl", "8.2-1"), rpm("new", "2.0-1"), rpm("jq", "1.8-1"), rpm("tree", "1.8-1")))
    bumped = tuple(
        each.model_copy(update={"version": "2.34-9.amzn2023"}) if each.source == "glibc" else each
        for each in after.inventory.packages
    )
    found = compare(before, with_inventory(after, packages=bumped))
    assert found.components == ()
    assert [(each.title, each.after) for each in found.packages] == [
        ("curl", "8.2-1"),
        ("glibc", "2.34-9.amzn2023"),
        ("jq, tree", "1.8-1"),
    ]
    assert found.added == (Change(name="new", after="2.0-1"),)
    assert found.removed == (Change(name="old", before="1.0-1"),)
    assert "  glibc     2.34-1.amzn2023 → 2.34-9.amzn2023  (2 packages)" in as_text(found).splitlines()
    assert "  old       1.0-1 (gone)" in as_text(found).splitlines()


def test_a_driver_that_left_a_package_behind_shows_which() -> None:
    after = gpu(driver="580.126.09")
    stuck = tuple(
        rpm("nvidia-modprobe", "3:580.105.08-1.amzn2023") if each.name == "nvidia-modprobe" else each
        for each in after.inventory.packages
    )
    assert "nvidia-modprobe" not in compare(gpu(), with_inventory(after, packages=stuck)).components[0].packages


def test_options_tasks_modules_units_and_the_origin_show() -> None:
    before, after = gpu(), gpu()
    options = {**after.options, "nvidia_driver": {**after.options["nvidia_driver"], "fabric_manager": False}}
    after = after.model_copy(update={"options": {**options, "docker": {"compose": ""}}, "commit": "ffff-dirty"})
    after = with_inventory(
        after,
        units={"sshd.service": "enabled"},
        modules=(*after.inventory.modules, Module(name="gdrdrv", version="2.5")),
        repositories=(),
    )
    found = compare(before, after)
    assert found.options == (
        Change(name="nvidia_driver.fabric_manager", before="true", after="false"),
        Change(name="docker.compose", after='""'),
    )
    assert found.units == (Change(name="nvidia-fabricmanager.service", before="enabled"),)
    assert found.modules == (Change(name="gdrdrv", after="2.5"),)
    assert found.origin == (Change(name="commit", before="0123456789ab", after="ffff-dirty"),)
    assert [each.name for each in found.repositories] == ["cuda"]


@pytest.mark.parametrize(
    ("text", "diff"),
    [
        ("net.core.rmem_max = 2\n", "@@ -1 +1 @@\n-net.core.rmem_max = 1\n+net.core.rmem_max = 2"),
        ("", ""),
        ("line\n" * 100, ""),
    ],
)
def test_small_files_show_what_changed_in_them(text: str, diff: str) -> None:
    changed = File(path="/etc/sysctl.d/90-net.conf", sha256="bb", text=text)
    found = compare(gpu(), with_inventory(gpu(), files=(changed,)))
    assert [(each.path, each.diff) for each in found.files] == [("/etc/sysctl.d/90-net.conf", diff)]


def test_markdown_is_tables_and_folded_diffs_that_no_value_breaks_out_of() -> None:
    evil = File(path="/etc/profile.d/<x>|.sh", sha256="bb", text="```\n</details>\n")
    shown = as_markdown(compare(gpu(), with_inventory(gpu(driver="580.126.09"), files=(evil,))))
    assert "| NVIDIA driver, NVIDIA Fabric Manager | 580.105.08 | 580.126.09 | 7 packages, 5 modules |" in shown
    assert "| /etc/profile.d/&lt;x&gt;\\|.sh |  | bb |  |" in shown
    assert "````diff\n" in shown.replace("``````", "````")


def test_nothing_is_said_of_what_is_the_same() -> None:
    found = compare(gpu(), gpu(run="20261102-000000-bbbb"))
    assert found.empty
    assert as_text(found).splitlines()[1:] == ["no difference"]
    assert as_markdown(found).endswith("no difference")


def test_it_is_plain_data_and_back() -> None:
    found = compare(gpu(), gpu(driver="580.126.09"))
    assert Difference.model_validate(json.loads(found.model_dump_json())) == found
