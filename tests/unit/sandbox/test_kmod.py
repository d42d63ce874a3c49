"""A module of ours is a well-formed ELF object with a readable .modinfo section."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from amiforge.sandbox import kmod

FACTS = {"name": "efa", "version": "3.3.0g", "license": "Dual BSD/GPL"}


def test_the_gap_for_the_version_magic_lies_where_the_constants_say() -> None:
    content = kmod.module(FACTS)
    end = kmod.VERMAGIC_OFFSET + kmod.VERMAGIC_SIZE
    assert content[kmod.VERMAGIC_OFFSET : end] == bytes(kmod.VERMAGIC_SIZE)
    assert content[end:].startswith(b"name=efa\0version=3.3.0g\0license=Dual BSD/GPL\0")


def test_filling_the_gap_gives_the_module_of_that_kernel() -> None:
    magic = f"vermagic={kmod.vermagic('6.12.1-1.x86_64')}".encode()
    content = bytearray(kmod.module(FACTS))
    content[kmod.VERMAGIC_OFFSET : kmod.VERMAGIC_OFFSET + len(magic)] = magic
    assert bytes(content) == kmod.module(FACTS, "6.12.1-1.x86_64")


@pytest.mark.subprocesses
@pytest.mark.skipif(shutil.which("readelf") is None, reason="readelf (binutils) not installed")
def test_readelf_reads_every_entry_of_the_section(tmp_path: Path) -> None:
    path = tmp_path / "efa.ko"
    path.write_bytes(kmod.module(FACTS, "6.12.1"))
    done = subprocess.run(
        ["readelf", "--wide", "-p", ".modinfo", str(path)], capture_output=True, text=True, check=True
    )
    strings = [line.split("]", 1)[1].strip() for line in done.stdout.splitlines() if line.strip().startswith("[")]
    assert strings == [f"vermagic={kmod.vermagic('6.12.1')}", *(f"{key}={value}" for key, value in FACTS.items())]
    assert done.stderr == ""
