"""Archives: unpacked into a fresh directory, every time the archive is another one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Literal

from pydantic.dataclasses import dataclass

from amiforge.engine.query import Query, Replies
from amiforge.engine.resource import Change, Resource, State, Unknown
from amiforge.resources.directory import refuse_shared
from amiforge.resources.file_state import AbsolutePath, FileState, look_at
from amiforge.resources.strict import STRICT
from amiforge.shell import script
from amiforge.systems.system import System

#: The file inside an unpacked tree that says which archive it is from.
STAMP = ".amiforge-archive"

# A directory that is not ours is never replaced. The stamp is in the new tree before that gets its name.
_UNPACK = rf"""
archive=$1 into=$2 format=$3 strip=$4 stripped=$4 creates=$5
if [ -e "$into" ] && [ ! -e "$into/{STAMP}" ] && [ -n "$(ls -A -- "$into")" ]; then
  printf '%s exists and was not unpacked by amiforge: remove it\n' "$into" >&2
  exit 1
fi
mkdir -p -- "${{into%/*}}" || exit
new=$(mktemp -d -- "${{into%/*}}/.amiforge.XXXXXXXX") || exit
trap 'rm -rf -- "$new"' EXIT
trap 'exit 143' HUP INT TERM PIPE
case $format in
  tar) tar -x --no-same-owner --force-local -f "$archive" -C "$new" || exit;;
  zip) unzip -q -o "$archive" -d "$new" || exit;;
esac
tree=$new
while [ "$strip" -gt 0 ]; do
  set -- "$tree"/*
  [ $# -eq 1 ] && [ -d "$1" ] || {{ printf '%s does not hold one single directory\n' "$archive" >&2; exit 1; }}
  tree=$1
  strip=$((strip - 1))
done
[ -z "$creates" ] || [ -e "$tree/$creates" ] || {{ printf '%s holds no %s\n' "$archive" "$creates" >&2; exit 1; }}
found=$(sha256sum <"$archive") || exit
printf '%s %s\n' "${{found%% *}}" "$stripped" >"$tree/{STAMP}" && chmod 755 -- "$tree" || exit
rm -rf -- "$into" && mv -T -- "$tree" "$into"
"""


@dataclass(frozen=True, config=STRICT)
class Archive(Resource):
    """A directory that holds what an archive holds, and nothing of an earlier one.

    Archive("/var/cache/amiforge/efa-1.51.0.tar.gz", "/var/cache/amiforge/efa", strip=1, creates="efa_installer.sh")

    Attributes:
        path: the archive on the host, as an Artifact leaves it: tar with any compression, or zip.
        into: the directory, which is ours alone: it is replaced as a whole.
        strip: how many single outer directories to leave away.
        creates: a path inside `into` without which the tree is not as it should be.
        timeout: seconds it may take.
    """

    path: AbsolutePath
    into: AbsolutePath
    strip: int = 0
    creates: str = ""
    timeout: float = 3600

    def __post_init__(self) -> None:
        refuse_shared(self.into)

    @property
    def name(self) -> str:
        """`archive /var/cache/amiforge/efa-1.51.0.tar.gz`."""
        return f"archive {self.path}"

    @property
    def format(self) -> Literal["tar", "zip"]:
        """What unpacks it."""
        return "zip" if self.path.endswith(".zip") else "tar"

    def queries(self, system: System) -> tuple[Query[FileState], ...]:
        """Ask for the archive, the stamp of the unpacked tree, and what it must hold."""
        return (look_at(self.path), look_at(f"{self.into}/{STAMP}"), self._created)

    def desired(self, system: System) -> State:
        """Want the tree to be that of the archive."""
        return {"tree": "of this archive"}

    def actual(self, replies: Replies, system: System) -> State:
        """Compare the stamp with the archive's digest.

        Raises:
            Unknown: the archive is not there.
        """
        archive, stamp = replies[look_at(self.path)], replies[look_at(f"{self.into}/{STAMP}")]
        if archive.type != "file":
            raise Unknown(f"{self.path} is not there")
        if stamp.type == "absent":
            return {"tree": None}
        wanted = hashlib.sha256(f"{archive.sha256} {self.strip}\n".encode()).hexdigest()
        if stamp.sha256 != wanted:
            return {"tree": "of another archive"}
        return {"tree": "incomplete" if replies[self._created].type == "absent" else "of this archive"}

    def changes(self, differing: frozenset[str], system: System) -> Iterator[Change]:
        """Unpack it beside its place, and put it there as a whole."""
        summary = f"unpack {self.path} into {self.into}"
        words = (self.path, self.into, self.format, str(self.strip), self.creates)
        yield Change(summary, script(_UNPACK, *words, summary=summary), job=True, timeout=self.timeout)

    @property
    def _created(self) -> Query[FileState]:
        return look_at(f"{self.into}/{self.creates or STAMP}")
