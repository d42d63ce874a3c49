from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest

from amiforge.bake.inventory import File, Inventory, Module, Package
from amiforge.bake.inventory.questions import QUESTIONS
from amiforge.bake.inventory.sources import repositories
from amiforge.bake.inventory.survey import read
from amiforge.errors import FactUnreadable

KEY = base64.b64encode(b"\x98\x05\x04\x00\x00\x00\x00")  # the smallest packet that says it is a key of version 4
ARMORED = f"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{KEY.decode()}\n-----END PGP PUBLIC KEY BLOCK-----\n"
PRINT = "D7E4B6C6A4C8E1B0"


def said(*rows: str) -> Inventory:
    return read("\n".join((*rows, "end\t", "")))


def test_rpms_are_read_with_epoch_vendor_and_licence_and_their_source() -> None:
    found = said(
        "rpm\tnvidia-driver\t3:580.105.08-1.amzn2023\tx86_64\tnvidia-driver-580.105.08-1.amzn2023.src.rpm"
        "\tNVIDIA\tNVIDIA License",
        "rpm\tgpg-pubkey\t0:d832c631-6515c85e\t(none)\t(none)\t(none)\tpubkey",
    )
    assert found.packages == (
        Package(kind="rpm", name="gpg-pubkey", version="d832c631-6515c85e", licence="pubkey"),
        Package(
            kind="rpm",
            name="nvidia-driver",
            version="3:580.105.08-1.amzn2023",
            arch="x86_64",
            source="nvidia-driver",
            vendor="NVIDIA",
            licence="NVIDIA License",
        ),
    )


def test_every_version_of_a_package_is_there() -> None:
    rows = (
        f"rpm\tkernel6.12\t6.12.{patch}-1\tx86_64\tkernel6.12-6.12.{patch}-1.src.rpm\tAmazon\tGPL" for patch in (2, 1)
    )
    assert [each.version for each in said(*rows).packages] == ["6.12.1-1", "6.12.2-1"]


@pytest.mark.parametrize(
    ("licences", "wanted"),
    [(("MIT",), "MIT"), (("MIT", "GPL-2+", "MIT"), "GPL-2+ and MIT"), ((), ""), ([f"L{n}" for n in range(9)], "")],
)
def test_a_debs_licences_are_those_of_its_copyright_file(licences: tuple[str, ...], wanted: str) -> None:
    found = said("deb\tjq\t1.7-1\tamd64\tjq", *(f"licence\tjq\t{licence}" for licence in licences))
    assert found.packages[0].licence == wanted


def test_python_packages_that_rpm_brought_are_not_told_of_twice() -> None:
    usr, venv = "/usr/lib/python3.9/site-packages", "/opt/aws_neuronx_venv_pytorch_2_9/lib/python3.12/site-packages"
    found = said(
        f"pip\t{usr}/requests-2.25.1.dist-info\trequests\t2.25.1\tApache 2.0",
        f"installer\t{usr}/requests-2.25.1.dist-info\trpm",
        f"pip\t{venv}/torch-2.9.0.dist-info\ttorch\t2.9.0\tBSD-3-Clause",
        f"installer\t{venv}/torch-2.9.0.dist-info\tpip",
    )
    assert found.packages == (Package(kind="pip", name="torch", version="2.9.0", licence="BSD-3-Clause", place=venv),)


def test_modules_are_read_with_the_kernel_they_are_for_and_trees_of_dkms_in_both_of_its_notations() -> None:
    kernel = "6.12.40-64.114.amzn2023.x86_64"
    found = said(
        f"module\t/lib/modules/{kernel}/extra/nvidia-uvm.ko.xz\t580.105.08\t{kernel} SMP mod_unload ",
        f"dkms\tnvidia/580.105.08, {kernel}, x86_64: installed",
        "dkms\tefa, 2.17.3: added",
    )
    assert found.modules == (
        Module(name="efa", version="2.17.3", dkms="added"),
        Module(name="nvidia", version="580.105.08", kernel=kernel, dkms="installed"),
        Module(
            name="nvidia_uvm",
            version="580.105.08",
            kernel=kernel,
            vermagic=f"{kernel} SMP mod_unload",
        ),
    )


@pytest.mark.parametrize(
    "text", ["password = hunter2", "https://me:hunter2@index.example.org", "-----BEGIN PRIVATE KEY-----"]
)
def test_text_of_a_file_that_may_hold_a_secret_stays_where_it_is(text: str) -> None:
    digest = "a" * 64
    found = said(f"file\t{digest}\t/etc/environment", f"text\t/etc/environment\t{text}")
    assert found.files == (File(path="/etc/environment", sha256=digest),)


def test_what_is_empty_is_not_written_down() -> None:
    assert Package(kind="deb", name="jq", version="1").model_dump() == {"kind": "deb", "name": "jq", "version": "1"}
    written = said("deb\tjq\t1.7-1\tamd64\tjq", "unit\tsshd.service\tenabled").model_dump_json()
    assert Inventory.model_validate_json(written) == said("deb\tjq\t1.7-1\tamd64\tjq", "unit\tsshd.service\tenabled")


def test_half_an_answer_is_no_inventory() -> None:
    with pytest.raises(FactUnreadable):
        read("kernel\t6.12.1\ndeb\tjq\t1.7")


def test_a_row_that_is_torn_apart_by_an_odd_name_is_passed_over() -> None:
    assert said("deb\tjq", "rest of a name", "file\tabc").packages == ()


YUM = """[cuda]
name=CUDA
baseurl=https://me:secret@developer.example.org/cuda
  https://second.example.org
gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-cuda
[off]
mirrorlist=https://cdn.example.org/mirrors
enabled=0
"""
DEB822 = """Types: deb
URIs: https://download.docker.com/linux/ubuntu
Suites: noble
Components: stable
Signed-By: /etc/apt/keyrings/docker.asc

Enabled: no
URIs: https://other.example.org
Suites: /
"""


def test_repositories_are_read_from_every_kind_of_file_with_the_keys_that_may_sign() -> None:
    files = {
        "/etc/yum.repos.d/all.repo": YUM,
        "/etc/apt/sources.list.d/docker.sources": DEB822,
        "/etc/apt/sources.list": "# deb http://old x\ndeb [arch=amd64] http://archive.ubuntu.com/ubuntu noble main\n",
    }
    keys = {
        "/etc/pki/rpm-gpg/RPM-GPG-KEY-cuda": ARMORED.encode(),
        "/etc/apt/keyrings/docker.asc": ARMORED.encode(),
        "/etc/apt/trusted.gpg.d/ubuntu.gpg": base64.b64decode(KEY),
    }
    found = {each.name: each for each in repositories(files, keys)}
    assert list(found) == ["cuda", "docker /", "docker noble stable", "off", "sources noble main"]
    assert found["cuda"].url == "https://developer.example.org/cuda https://second.example.org"
    assert [name for name, each in found.items() if not each.enabled] == ["docker /", "off"]
    assert found["sources noble main"].url == "http://archive.ubuntu.com/ubuntu"
    (fingerprint,) = found["cuda"].keys
    assert len(fingerprint) == 40
    assert all(found[name].keys == (fingerprint,) for name in ("docker noble stable", "sources noble main"))


def test_a_file_that_is_no_repository_says_nothing() -> None:
    assert (
        repositories({"/etc/yum.repos.d/x.repo": "no section\n", "/etc/apt/sources.list.d/x.save": "deb x y"}, {}) == ()
    )


@pytest.mark.shell
def test_the_real_script_reads_this_machine() -> None:
    done = subprocess.run(["sh", "-s"], input=QUESTIONS.encode(), capture_output=True, check=False)
    assert done.stderr == b""
    found = read(done.stdout.decode("utf-8", "replace"))
    assert found.kernel == Path("/proc/sys/kernel/osrelease").read_text().strip()
    assert found.os
    assert {each.kind for each in found.packages} & {"deb", "rpm"}
