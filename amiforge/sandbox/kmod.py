"""Kernel modules that carry facts and no code: what `modinfo` and `depmod` read, and nothing that could be loaded.

A module of ours is an ELF object whose one section of interest is `.modinfo`. Its first bytes are left empty for the
version magic, which is known only when the module is "built" for a kernel on the machine itself: kmod skips zero
bytes between the entries of that section, so a shell script can fill the gap in place with `dd`.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

#: Where the gap for `vermagic=…` begins in the file (right behind the ELF header), and how many bytes it has.
VERMAGIC_OFFSET = 64
VERMAGIC_SIZE = 128

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_NAMES = b"\0.modinfo\0.shstrtab\0.symtab\0.strtab\0"
_SYMBOL_SIZE = 24
_ALLOCATED = 2


def vermagic(kernel: str) -> str:
    """Give the version magic of a module built for this kernel release."""
    return f"{kernel} SMP preempt mod_unload modversions"


def module(facts: Mapping[str, str], kernel: str = "") -> bytes:
    """Give the bytes of a kernel module object with these `modinfo` entries.

    Args:
        facts: entries such as `version` and `license`, in the order `modinfo` shows them.
        kernel: release of the kernel it belongs to; empty leaves the version magic to be filled in later.
    """
    magic = f"vermagic={vermagic(kernel)}".encode() if kernel else b""
    entries = "".join(f"{key}={value}\0" for key, value in facts.items()).encode()
    info = magic.ljust(VERMAGIC_SIZE, b"\0") + entries
    names_at = VERMAGIC_OFFSET + len(info)
    symbols_at = names_at + len(_NAMES)
    table_at = symbols_at + _SYMBOL_SIZE + 1
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header = _HEADER.pack(ident, 1, 62, 1, 0, 0, table_at, 0, 64, 0, 0, 64, 5, 2)
    # (name, type, flags, offset, size, link, entry size): nothing, .modinfo, .shstrtab, an empty .symtab, .strtab
    sections = (
        (0, 0, 0, 0, 0, 0, 0),
        (_NAMES.index(b".modinfo"), 1, _ALLOCATED, VERMAGIC_OFFSET, len(info), 0, 0),
        (_NAMES.index(b".shstrtab"), 3, 0, names_at, len(_NAMES), 0, 0),
        (_NAMES.index(b".symtab"), 2, 0, symbols_at, _SYMBOL_SIZE, 4, _SYMBOL_SIZE),
        (_NAMES.index(b".strtab"), 3, 0, symbols_at + _SYMBOL_SIZE, 1, 0, 0),
    )
    table = b"".join(
        _SECTION.pack(name, kind, flags, 0, offset, size, link, 1, 1, entry)
        for name, kind, flags, offset, size, link, entry in sections
    )
    return header + info + _NAMES + bytes(_SYMBOL_SIZE + 1) + table
