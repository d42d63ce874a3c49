"""The key that everything in a mirror is signed with: packages, repositories and downloads."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from amiforge.sandbox.program import run

_NAME = "amiforge sandbox"


class SigningKey:
    """The key, ready for use in a home of its own."""

    def __init__(self, home: Path) -> None:
        self._gpg = ("gpg", "--homedir", str(home), "--batch", "--quiet", "--no-tty")
        self._home = home

    @classmethod
    @contextmanager
    def kept(cls, secret: Path) -> Iterator[SigningKey]:
        """Take the key from a file, made on first use; removes whatever gpg starts for it."""
        # not below the sandbox's folder: gpg-agent's socket path must stay under 108 characters
        with tempfile.TemporaryDirectory(prefix="amiforge-key-") as name:
            key = cls(Path(name))
            try:
                if secret.exists():
                    run(*key._gpg, "--import", str(secret))
                else:
                    key._make(secret)
                yield key
            finally:
                run("gpgconf", "--homedir", name, "--kill", "all")

    def _make(self, secret: Path) -> None:
        run(*self._gpg, "--passphrase", "", "--quick-generate-key", _NAME, "rsa2048", "sign", "never")
        exported = self._home / secret.name
        run(*self._gpg, "--output", str(exported), "--export-secret-keys", _NAME)
        new = secret.with_name(f".{secret.name}.new")
        new.touch(0o600)
        new.write_bytes(exported.read_bytes())
        new.replace(secret)

    def public(self) -> str:
        """Give the public half, armored."""
        return run(*self._gpg, "--armor", "--export", _NAME)

    def fingerprint(self) -> str:
        """Give its fingerprint: 40 hex digits."""
        listed = run(*self._gpg, "--with-colons", "--list-keys", _NAME)
        return next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr:"))

    def sign_file(self, path: Path) -> None:
        """Write a detached signature next to a file, as `<file>.sig`."""
        run(*self._gpg, "--local-user", _NAME, "--output", f"{path}.sig", "--detach-sign", str(path))

    def sign_index(self, path: Path) -> None:
        """Write a detached armored signature next to a file, as `<file>.asc`."""
        run(*self._gpg, "--local-user", _NAME, "--armor", "--output", f"{path}.asc", "--detach-sign", str(path))

    def sign_text(self, text: str) -> str:
        """Give a text with its signature around it."""
        return run(*self._gpg, "--local-user", _NAME, "--clear-sign", stdin=text)

    def sign_rpms(self, paths: Iterable[Path]) -> None:
        """Sign rpm packages in place."""
        # rpm's own default for __gpg, /usr/bin/gpg2, does not exist on Debian
        defines = (f"_gpg_name {_NAME}", f"_gpg_path {self._home}", f"__gpg {shutil.which('gpg')}")
        run("rpmsign", *(word for line in defines for word in ("--define", line)), "--addsign", *map(str, paths))
