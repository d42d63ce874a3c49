"""What all our operations share: the backend of the request's region, and its tags."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.responses import EC2Response

from amiforge.sandbox.api.backend import SandboxBackend

#: How much EC2 gives at once, when it is not asked for less.
_PAGE = 1000


class Calls(EC2Response):
    """What all our operations share."""

    @property
    def region_backend(self) -> SandboxBackend:
        """Give the backend of the request's region."""
        return cast("SandboxBackend", self.ec2_backend)

    def known(self, found: Iterable[Any], name: str) -> list[Any]:
        """Leave out what is too new to be known; `name` is the attribute with the name of one."""
        there = list(found)
        unknown = self.region_backend.account.news.unknown(getattr(one, name) for one in there)
        return [one for one in there if getattr(one, name) not in unknown]

    def page(self, name: str, found: Sequence[Any]) -> ActionResult:
        """Give what was found, page by page if asked to."""
        token = self._get_param("NextToken", "0")
        if not token.isdigit():
            raise EC2ClientError("InvalidNextToken", f"The token '{token}' is invalid.")
        last = int(token) + int(self._get_param("MaxResults", _PAGE))
        return ActionResult({name: found[int(token) : last], "NextToken": str(last) if last < len(found) else None})

    def tags(self, *allowed: str) -> dict[str, dict[str, str]]:
        """Give the tags of a request by resource type; other types than those allowed are refused."""
        given = self._parse_tag_specification()
        for kind in given:
            if kind not in allowed:
                raise EC2ClientError(
                    "InvalidParameterValue", f"'{kind}' is not a valid taggable resource type for this operation."
                )
        return given
