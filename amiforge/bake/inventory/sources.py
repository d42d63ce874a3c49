"""Package repositories, read from the files of dnf, yum and apt."""

from __future__ import annotations

import base64
import configparser
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from amiforge.bake.inventory.inventory import Repository
from amiforge.resources.signing_key import fingerprints

Keys = Mapping[str, bytes]

_APT_TRUSTED = "/etc/apt/trusted.gpg.d/"
_ARMOUR = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
_USER = re.compile(r"(?<=://)[^/@\s]+@")
_APT_LINE = re.compile(r"deb(?:-src)?\s+(?:\[(?P<options>[^\]]*)\]\s*)?(?P<url>\S+)\s+(?P<where>.+)")


def repositories(files: Mapping[str, str], keys: Keys) -> tuple[Repository, ...]:
    """Give the repositories that these files describe, in order of their names.

    Args:
        files: text by path, of yum's and apt's.
        keys: content of key files by path, armored or not.
    """
    found = (each for path, text in files.items() for each in _of(path, text, keys))
    return tuple(sorted(found, key=lambda each: (each.name, each.url)))


def _of(path: str, text: str, keys: Keys) -> Iterator[Repository]:
    match PurePosixPath(path).suffix:
        case ".repo":
            yield from _yum(text, keys)
        case ".sources":
            yield from _deb822(path, text, keys)
        case ".list":
            yield from _one_line(path, text, keys)
        case _:
            pass


def _yum(text: str, keys: Keys) -> Iterator[Repository]:
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return
    for name in parser.sections():
        section = parser[name]
        url = next((section[key] for key in ("baseurl", "mirrorlist", "metalink") if section.get(key)), "")
        paths = [each.removeprefix("file://") for each in section.get("gpgkey", "").replace(",", " ").split()]
        enabled = section.get("enabled", "1").strip().lower() not in {"0", "no", "false", "off"}
        yield Repository(name=name, url=_bare(url), enabled=enabled, keys=_fingerprints(paths, keys))


def _deb822(path: str, text: str, keys: Keys) -> Iterator[Repository]:
    for stanza in re.split(r"\n\s*\n", text):
        fields = {
            key.lower(): value.strip()
            for key, value in re.findall(r"^([A-Za-z-]+):((?:.*)(?:\n[ \t].*)*)", stanza, re.MULTILINE)
        }
        where = " ".join(filter(None, (fields.get("suites", ""), fields.get("components", ""))))
        enabled = fields.get("enabled", "yes").lower() not in {"no", "false", "without", "off", "disable"}
        for url in fields.get("uris", "").split():
            name = f"{PurePosixPath(path).stem} {where}".strip()
            signers = _apt_keys(fields.get("signed-by", ""), keys)
            yield Repository(name=name, url=_bare(url), enabled=enabled, keys=signers)


def _one_line(path: str, text: str, keys: Keys) -> Iterator[Repository]:
    for line in text.splitlines():
        if match := _APT_LINE.match(line.strip()):
            signed = re.search(r"signed-by=(\S+)", match["options"] or "")
            name = f"{PurePosixPath(path).stem} {match['where'].strip()}"
            signers = _apt_keys(signed[1].replace(",", " ") if signed else "", keys)
            yield Repository(name=name, url=_bare(match["url"]), keys=signers)


def _apt_keys(signed_by: str, keys: Keys) -> tuple[str, ...]:
    """Give who may sign: the keys that are named or written there; where none is, every key that apt trusts."""
    if _ARMOUR in signed_by:
        written = "\n".join(line.strip().removeprefix(".") for line in signed_by.splitlines())
        return fingerprints(written.encode())
    named = [word for word in signed_by.split() if word.startswith("/")]
    return _fingerprints(named or [path for path in keys if path.startswith(_APT_TRUSTED)], keys)


def _fingerprints(paths: Iterable[str], keys: Keys) -> tuple[str, ...]:
    found = (each for path in paths for each in fingerprints(_armored(keys.get(path, b""))))
    return tuple(sorted(set(found)))


def _armored(key: bytes) -> bytes:
    if _ARMOUR.encode() in key or not key:
        return key
    return f"{_ARMOUR}\n\n{base64.b64encode(key).decode()}\n{_ARMOUR.replace('BEGIN', 'END')}\n".encode()


def _bare(url: str) -> str:
    """Leave out of an address who logs in there, and with which password."""
    return _USER.sub("", " ".join(url.split()))
