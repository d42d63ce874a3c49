"""Looking through a host: one script, one answer, one inventory."""

from __future__ import annotations

import base64
import binascii
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from types import MappingProxyType

from amiforge.bake.inventory.inventory import File, Inventory, Module, Package
from amiforge.bake.inventory.questions import QUESTIONS
from amiforge.bake.inventory.sources import repositories
from amiforge.errors import FactUnreadable
from amiforge.host.base import Host

#: More licences in one package say nothing about any of its files.
_MOST_LICENCES = 8
_LONGEST_LICENCE = 200

_TELLING = re.compile(
    r"PRIVATE KEY|://[^/\s:@]+:[^/\s@]+@|(?:passw(?:or)?d|secret|token|api_?key)\w*['\"]?\s*[=:]\s*\S", re.IGNORECASE
)

#: `nvidia/580.95.05, 6.12.40-64.114.amzn2023.x86_64, x86_64: installed`; before DKMS 3, a comma for the slash.
_DKMS = re.compile(r"(?P<name>[^/,]+)(?:/|, )(?P<version>[^,: ]+)(?:, (?P<kernel>[^,]+), [^:]+)?: (?P<state>\w+)")

#: How many columns the rows of a kind have; what is no such row, as of a file with a line break in its name, is none.
_COLUMNS = MappingProxyType(
    dict.fromkeys(("kernel", "default", "image", "release", "dkms", "end"), 1)
    | dict.fromkeys(("unit", "licence", "installer", "source", "key", "file", "text"), 2)
    | dict.fromkeys(("os", "module"), 3)
    | dict.fromkeys(("deb", "pip"), 4)
    | {"rpm": 6}
)

Rows = Mapping[str, Sequence[Sequence[str]]]


def inventory(host: Host, timeout: float) -> Inventory:
    """Read what is on a host, in one round trip.

    Raises:
        FactUnreadable: half of the answer is missing.
    """
    return read(host.run(QUESTIONS, timeout=timeout).stdout.decode("utf-8", "replace"))


def read(answer: str) -> Inventory:
    """Turn what the questions' script printed into an inventory.

    Raises:
        FactUnreadable: its end is missing.
    """
    rows: defaultdict[str, list[list[str]]] = defaultdict(list)
    for line in answer.split("\n"):
        kind, _, rest = line.partition("\t")
        row = rest.split("\t", _COLUMNS.get(kind, 0) - 1)
        if len(row) == _COLUMNS.get(kind):
            rows[kind].append(row)
    if "end" not in rows:
        raise FactUnreadable("the host does not say all that is on it", stdout=answer[-500:])
    os_id, os_version, os = next(iter(rows["os"]), ("", "", ""))
    return Inventory(
        os=os,
        os_id=os_id,
        os_version=os_version,
        kernel=_only(rows, "kernel"),
        default_kernel=_only(rows, "default"),
        kernel_sha256=_only(rows, "image"),
        packages=tuple(sorted((*_rpms(rows), *_debs(rows), *_pips(rows)), key=_order)),
        modules=tuple(sorted({*_modules(rows), *_trees(rows)}, key=lambda each: tuple(each.model_dump().items()))),
        repositories=repositories(_texts(rows, "source"), dict(_keys(rows))),
        files=tuple(_files(rows)),
        units={row[0]: row[1] for row in sorted(rows["unit"])},
        release=release_fields("\n".join(row[0] for row in rows["release"])),
    )


def release_fields(text: str) -> dict[str, str]:
    """Read lines of KEY="value", as in os-release."""
    return dict(re.findall(r'^([A-Z_]+)="?([^"\n]*?)"?$', text, re.MULTILINE))


def _only(rows: Rows, kind: str) -> str:
    return next((row[0] for row in rows[kind]), "")


def _order(package: Package) -> tuple[str, ...]:
    return package.kind, package.name, package.arch, package.place, package.version


def _rpms(rows: Rows) -> Iterator[Package]:
    for row in rows["rpm"]:
        name, version, arch, source, vendor, licence = ("" if each == "(none)" else each for each in row)
        source = re.sub(r"-[^-]+-[^-]+\.(?:no)?src\.rpm$", "", source)
        version = version.removeprefix("0:")
        yield Package(kind="rpm", name=name, version=version, arch=arch, source=source, vendor=vendor, licence=licence)


def _debs(rows: Rows) -> Iterator[Package]:
    licences: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for package, licence in rows["licence"]:
        licences[package][licence.strip()] = None
    for name, version, arch, source in rows["deb"]:
        named = licences.get(name, {})
        licence = " and ".join(sorted(named)) if len(named) <= _MOST_LICENCES else ""
        yield Package(kind="deb", name=name, version=version, arch=arch, source=source, licence=licence)


def _pips(rows: Rows) -> Iterator[Package]:
    """Give Python packages but those that rpm or dpkg brought, which are told of already."""
    by = {row[0]: row[1] for row in rows["installer"]}
    for record, name, version, named in rows["pip"]:
        if by.get(record) not in {"rpm", "debian"}:
            licence = named if len(named) <= _LONGEST_LICENCE else ""  # some have the whole text there
            yield Package(
                kind="pip", name=name, version=version, licence=licence, place=str(PurePosixPath(record).parent)
            )


def _modules(rows: Rows) -> Iterator[Module]:
    for path, version, vermagic in rows["module"]:
        name = PurePosixPath(path).name.partition(".ko")[0].replace("-", "_")
        yield Module(name=name, version=version, kernel=path.split("/")[3], vermagic=vermagic.strip())


def _trees(rows: Rows) -> Iterator[Module]:
    for row in rows["dkms"]:
        if match := _DKMS.match(row[0]):
            name, version, kernel, state = match.group("name", "version", "kernel", "state")
            yield Module(name=name, version=version, kernel=kernel or "", dkms=state)


def _keys(rows: Rows) -> Iterator[tuple[str, bytes]]:
    for path, content in rows["key"]:
        try:
            yield path, base64.b64decode(content)
        except binascii.Error:
            continue


def _texts(rows: Rows, kind: str) -> dict[str, str]:
    lines: defaultdict[str, list[str]] = defaultdict(list)
    for path, line in rows[kind]:
        lines[path].append(line)
    return {path: "\n".join(text) + "\n" for path, text in lines.items()}


def _files(rows: Rows) -> Iterator[File]:
    texts = _texts(rows, "text")
    for path, digest in sorted((path, digest) for digest, path in rows["file"]):
        text = texts.get(path, "")
        yield File(path=path, sha256=digest, text="" if _TELLING.search(text) else text)
