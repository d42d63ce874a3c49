"""Git checkouts: the files of one commit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass as plain_dataclass
from typing import Annotated

from pydantic import AfterValidator
from pydantic.dataclasses import dataclass

from amiforge.engine.download import Download
from amiforge.engine.query import Answer, Query, QueryKind, Replies
from amiforge.engine.resource import Change, Resource, State, Unknown
from amiforge.errors import FactUnreadable, RecipeError
from amiforge.resources.file_state import AbsolutePath
from amiforge.resources.strict import STRICT
from amiforge.shell import script
from amiforge.systems.system import System

# What a tag or branch meant when it was fetched is kept under a ref of our own. Files that git does not know, such as
# what a build makes, do not count as a modification.
_SCRIPT = r"""
command -v git >/dev/null 2>&1 || { echo nogit; exit 0; }
tab=$(printf '\t')
for item do
  path=${item%%"$tab"*} ref=${item#*"$tab"}
  in_it() { git --no-optional-locks --git-dir="$path/.git" --work-tree="$path" "$@"; }
  head=$(in_it rev-parse -q --verify HEAD 2>/dev/null)
  fetched=$(in_it rev-parse -q --verify "refs/amiforge/$ref" 2>/dev/null)
  modified=yes
  [ -n "$(in_it status --porcelain --untracked-files=no 2>&1)" ] || modified=no
  printf '%s %s %s\n' "${head:--}" "${fetched:--}" "$modified"
done
"""

# A server that gives single commits to nobody gives all branches and tags.
_CHECK_OUT = r"""
url=$1 ref=$2 path=$3
mkdir -p -- "$path" && git init -q -- "$path" && cd -- "$path" || exit
if git fetch -q --depth 1 -- "$url" "$ref"; then
  commit=$(git rev-parse -q --verify 'FETCH_HEAD^{commit}') || exit
else
  git fetch -q -- "$url" '+refs/heads/*:refs/remotes/origin/*' '+refs/tags/*:refs/tags/*' || exit
  commit=$(git rev-parse -q --verify "$ref^{commit}") || { printf '%s has no %s\n' "$url" "$ref" >&2; exit 1; }
fi
git -c advice.detachedHead=false checkout -q --force --detach "$commit" && git update-ref "refs/amiforge/$ref" "$commit"
"""

_COMMIT = "[0-9a-f]{40}"


@plain_dataclass(frozen=True, slots=True)
class CheckoutState:
    """What git says of a path: the commit there, the one that the ref meant when it was fetched, modified files."""

    git: bool
    head: str = ""
    fetched: str = ""
    modified: bool = False


def _parse(answer: Answer, items: Sequence[str]) -> Mapping[str, CheckoutState]:
    rows = [line.split(" ") for line in answer.text.splitlines()]
    if rows == [["nogit"]]:
        return dict.fromkeys(items, CheckoutState(git=False))
    if len(rows) != len(items) or any(len(row) != 3 for row in rows):  # noqa: PLR2004 - head, fetched, modified
        raise FactUnreadable("git's answer makes no sense", stdout=answer.text[-500:])
    return {
        item: CheckoutState(True, head.strip("-"), fetched.strip("-"), modified == "yes")
        for item, (head, fetched, modified) in zip(items, rows, strict=True)
    }


CHECKOUTS = QueryKind("git checkouts", _SCRIPT, _parse)


def _url(url: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+/[\x21-\x7e]+", url):
        raise RecipeError(f"{url!r} is no repository to clone", fix="write it as https://host/owner/name.git")
    return url


def _ref(ref: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_+/.-]*", ref) or ".." in ref or ref.endswith((".lock", "/", ".")):
        raise RecipeError(f"{ref!r} is no tag, branch or full commit", fix="write it as git tag -l does")
    return ref


@dataclass(frozen=True, config=STRICT)
class GitCheckout(Resource):
    """A directory with the files of one commit of a repository, and no history.

    GitCheckout("https://github.com/NVIDIA/gdrcopy.git", "v2.5", "/usr/local/src/gdrcopy")

    A tag or branch is looked up once: what it means later changes nothing here. Modified files count as a difference
    and are put back.

    Attributes:
        url: repository, fetched over a mirror if one is set.
        ref: tag, branch or full commit.
        path: the directory.
        timeout: seconds the checkout may take.
    """

    url: Annotated[str, AfterValidator(_url)]
    ref: Annotated[str, AfterValidator(_ref)]
    path: AbsolutePath
    timeout: float = 1800

    @property
    def name(self) -> str:
        """`git checkout /usr/local/src/gdrcopy`."""
        return f"git checkout {self.path}"

    def queries(self, system: System) -> tuple[Query[CheckoutState], ...]:
        """Ask git."""
        return (self._query,)

    def desired(self, system: System) -> State:
        """Want the ref, and no modified files."""
        return {"ref": self.ref, "modified": False}

    def actual(self, replies: Replies, system: System) -> State:
        """Give the ref if its commit is there, else the commit that is.

        Raises:
            Unknown: git is not installed.
        """
        found = replies[self._query]
        if not found.git:
            raise Unknown("git is not installed")
        if not found.head:
            return {"ref": None, "modified": False}
        commit = self.ref if re.fullmatch(_COMMIT, self.ref) else found.fetched
        return {"ref": self.ref if found.head == commit else found.head, "modified": found.modified}

    def changes(self, differing: frozenset[str], system: System) -> Iterator[Change]:
        """Fetch that commit alone, and check it out."""
        summary = f"check out {self.ref} of {self.url}"
        check_out = script(_CHECK_OUT, system.mirrored(self.url), self.ref, self.path, summary=summary)
        yield Change(summary, check_out, job=True, timeout=self.timeout)

    def downloads(self, system: System) -> Iterator[Download]:
        """Give the repository; a full commit is its own proof."""
        yield Download("checkout", self.url, self.ref if re.fullmatch(_COMMIT, self.ref) else "")

    @property
    def _query(self) -> Query[CheckoutState]:
        return Query(CHECKOUTS, f"{self.path}\t{self.ref}")
