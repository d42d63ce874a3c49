"""What ssh_config files say of a host, read as OpenSSH reads them.

paramiko knows `Host` and `Match`, but no `Include`, and takes a `Match` that it does not understand for one that
matches. So the text is prepared for it: includes are put in their place, and what it cannot judge never matches.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paramiko.config import SSHConfig
from paramiko.ssh_exception import ConfigParseError

from amiforge.errors import ConfigError

_USER, _SYSTEM = Path("~/.ssh/config"), Path("/etc/ssh/ssh_config")
_DEEPEST = 16
_ANYWHERE = "Host *"
_NOWHERE = "Host !*"
#: Criteria of Match that paramiko judges. Source: `SSHConfig._does_match`, paramiko 5.1.
_JUDGED = frozenset({"all", "canonical", "final", "host", "originalhost", "user", "localuser", "exec"})
#: Options that decide how a host is reached or trusted, and that we do not follow.
NOT_FOLLOWED = (
    "addressfamily",
    "bindaddress",
    "bindinterface",
    "certificatefile",
    "identityagent",
    "knownhostscommand",
    "pkcs11provider",
    "proxyusefdpass",
    "revokedhostkeys",
    "verifyhostkeydns",
)
_OPTION = re.compile(r"\s*(\w+)(?:\s*=\s*|\s+)(.*)")
_AS_IF_NOT_SET = frozenset({"no", "none", "any"})


class _Unfilled(SSHConfig):
    """Leaves the tokens of a proxy command alone: they stand for the user and port that are really used."""

    TOKENS_BY_CONFIG_KEY = {  # noqa: RUF012 - as it is declared where it comes from
        key: tokens for key, tokens in SSHConfig.TOKENS_BY_CONFIG_KEY.items() if not key.startswith("proxy")
    }


@dataclass
class SshConfig:
    """The ssh config of this user.

    Attributes:
        warnings: what stands there and is not followed, whichever host it is for.
    """

    warnings: list[str] = field(default_factory=list)
    _files: list[list[str]] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path | None = None) -> SshConfig:
        """Read one file, or the user's and the system's, which need not be there.

        Raises:
            ConfigError: the file is not there, cannot be read, or is no ssh config.
        """
        config = cls()
        for file in [path.expanduser()] if path else [_USER.expanduser(), _SYSTEM]:
            if path or file.is_file():
                config._take(file)
        return config

    def of(self, host: str, user: str = "") -> Mapping[str, Any]:
        """Give the options for a host as it is written, names in lower case; lists where a name may be repeated.

        Args:
            host: the host.
            user: who logs in, if that is settled; what is said for that user counts.
        """
        parsed = _Unfilled()
        for lines in ([f"User {user}"] if user else [], *self._files):
            parsed.parse(lines)
        return parsed.lookup(host)

    def _take(self, file: Path) -> None:
        relative_to = _SYSTEM.parent if file == _SYSTEM else _USER.expanduser().parent
        try:
            lines = list(self._lines(file, relative_to, _DEEPEST))
            _Unfilled().parse(lines)
        except OSError as error:
            raise ConfigError(
                f"ssh.config: {error.strerror}: {error.filename}", fix="name a file that is there"
            ) from None
        except (ConfigParseError, ValueError) as error:
            raise ConfigError(f"ssh.config: {file}: {error}", fix="see what `ssh -G HOST` says of it") from None
        self._files.append(lines)

    def _lines(self, file: Path, relative_to: Path, depth: int) -> Iterator[str]:
        block = _ANYWHERE
        for line in file.read_text(errors="replace").splitlines():
            word, value = _split(line)
            if word == "include":
                yield from self._included(value, relative_to, depth, block)
                yield block
                continue
            if word in {"host", "match"}:
                line = block = self._block(word, value, line, file)  # noqa: PLW2901 - the line that counts
            yield line

    def _included(self, patterns: str, relative_to: Path, depth: int, block: str) -> Iterator[str]:
        if depth == 0:
            raise ValueError(f"more than {_DEEPEST} levels of Include")
        for pattern in shlex.split(patterns):
            path = relative_to / Path(pattern).expanduser()
            for file in sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor)))):
                yield from self._inner(file, relative_to, depth - 1, block)

    def _inner(self, file: Path, relative_to: Path, depth: int, block: str) -> Iterator[str]:
        try:
            lines = list(self._lines(file, relative_to, depth))
        except OSError as error:
            # ssh goes on without it, too.
            self.warnings.append(f"{file}: {error.strerror}")
            return
        for line in lines:
            if block != _ANYWHERE and _split(line)[0] in {"host", "match"}:
                # It would count only where both blocks match, which cannot be written in one file.
                self.warnings.append(f"{file}: Host and Match in a file included from a block: {block}")
                return
            yield line

    def _block(self, word: str, value: str, line: str, file: Path) -> str:
        unknown = _criteria(value) - _JUDGED if word == "match" else set()
        if not unknown:
            return line.strip()
        self.warnings.append(f"{file}: {line.strip()}: never matches here, for {', '.join(sorted(unknown))}")
        return _NOWHERE


def not_followed(options: Mapping[str, Any]) -> list[str]:
    """Name the options that decide about the connection to a host, and that we do not follow."""
    return [
        f"{name} {options[name]}"
        for name in NOT_FOLLOWED
        if name in options and str(options[name]).lower() not in _AS_IF_NOT_SET
    ]


def _split(line: str) -> tuple[str, str]:
    match = _OPTION.match(line)
    return (match[1].lower(), match[2].strip()) if match else ("", "")


def _criteria(value: str) -> set[str]:
    words = iter(shlex.split(value))
    found = set()
    for word in words:
        # `name=value`, which newer OpenSSH takes as well, is one strange name here, as it is for paramiko.
        name = word.lstrip("!").lower()
        found.add(name)
        if "=" not in name and name not in {"all", "canonical", "final"}:
            next(words, None)
    return found
