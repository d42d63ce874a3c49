"""Users and groups, and who is in which."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from pydantic import AfterValidator
from pydantic.dataclasses import dataclass

from amiforge.engine.query import Answer, Query, QueryKind, Replies
from amiforge.engine.resource import Change, Resource, State
from amiforge.errors import RecipeError
from amiforge.resources.strict import STRICT
from amiforge.shell import argv
from amiforge.systems.system import System

_USERS = r"""
for user do
  if groups=$(id -nG -- "$user" 2>/dev/null); then printf '%s %s\n' "$user" "$groups"; fi
done
"""


def _parse_users(answer: Answer, users: Sequence[str]) -> Mapping[str, tuple[str, ...] | None]:
    rows = [line.split() for line in answer.text.splitlines() if line.strip()]
    groups = {row[0]: tuple(row[1:]) for row in rows}
    return {user: groups.get(user) for user in users}


def _parse_groups(answer: Answer, groups: Sequence[str]) -> Mapping[str, bool]:
    there = {line.partition(":")[0] for line in answer.text.splitlines()}
    return {group: group in there for group in groups}


#: The groups of a user, its own among them; None for a user who does not exist.
USERS = QueryKind("users", _USERS, _parse_users)
GROUPS = QueryKind("groups", 'getent group -- "$@"', _parse_groups)


def _account(name: str) -> str:
    if not re.fullmatch(r"[a-z_][a-z0-9_-]{0,31}", name):
        raise RecipeError(f"{name!r} is no name for a user or group", fix="use up to 32 of a-z, 0-9, _ and -")
    return name


AccountName = Annotated[str, AfterValidator(_account)]


@dataclass(frozen=True, config=STRICT)
class Group(Resource):
    """A group that exists. `system` gives a new one a number below those of people."""

    group: AccountName
    system: bool = False

    @property
    def name(self) -> str:
        """`group docker`."""
        return f"group {self.group}"

    def queries(self, system: System) -> tuple[Query[bool], ...]:
        """Ask whether it exists."""
        return (Query(GROUPS, self.group),)

    def desired(self, system: System) -> State:
        """Want it to exist."""
        return {"exists": True}

    def actual(self, replies: Replies, system: System) -> State:
        """Tell whether it exists."""
        return {"exists": replies[Query(GROUPS, self.group)]}

    def changes(self, differing: frozenset[str], system: System) -> Iterator[Change]:
        """Make it."""
        options = ("-r",) if self.system else ()
        yield Change(f"make group {self.group}", argv("groupadd", *options, "--", self.group))


@dataclass(frozen=True, config=STRICT)
class User(Resource):
    """A user who exists and is in these groups, whatever else they are in.

    User("ec2-user", groups=("docker",))

    Attributes:
        user: login name.
        groups: names of groups that exist.
        system: a new one gets a number below those of people, and no home directory.
    """

    user: AccountName
    groups: tuple[AccountName, ...] = ()
    system: bool = False

    @property
    def name(self) -> str:
        """`user ec2-user`."""
        return f"user {self.user}"

    def queries(self, system: System) -> tuple[Query[tuple[str, ...] | None], ...]:
        """Ask for the user's groups."""
        return (Query(USERS, self.user),)

    def desired(self, system: System) -> State:
        """Want the user, and the groups."""
        return {"exists": True, "groups": tuple(sorted(set(self.groups)))}

    def actual(self, replies: Replies, system: System) -> State:
        """Tell whether the user exists, and which of these groups they are in."""
        groups = replies[Query(USERS, self.user)]
        return {"exists": groups is not None, "groups": tuple(sorted(set(self.groups) & set(groups or ())))}

    def changes(self, differing: frozenset[str], system: System) -> Iterator[Change]:
        """Make the user, and add the groups."""
        if "exists" in differing:
            yield Change(f"make user {self.user}", argv("useradd", "-r" if self.system else "-m", "--", self.user))
        if "groups" in differing:
            groups = ",".join(self.groups)
            yield Change(f"add {self.user} to {groups}", argv("usermod", "-a", "-G", groups, "--", self.user))
