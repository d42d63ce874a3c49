"""The finished image's name: that it is one, and free."""

from __future__ import annotations

from collections.abc import Iterator

from amiforge.ec2.image import image_name, refuse_taken_name
from amiforge.ec2.preflight.finding import Finding, ask, fact, problem
from amiforge.ec2.preflight.services import Services
from amiforge.ec2.preflight.wanted import Wanted
from amiforge.errors import ConfigError

_TITLE = "image name"
_WHERE = "bake.image_name"
#: A run's id, as one of a bake might be.
RUN = "20260101-000000-0000"


def judge(services: Services, wanted: Wanted) -> Iterator[Finding]:
    """Fill in the name as a bake would, and ask whether an image bears it."""
    source = wanted.source
    fields = {"recipe": wanted.recipe, "os": source.os, "arch": source.architecture}
    try:
        name = image_name(wanted.settings.image_name, **fields, run=RUN)
        unanswered = ask(lambda: refuse_taken_name(services.clients, name))
    except ConfigError as error:
        detail = error.message.removeprefix(f"{_WHERE}: ")
        yield problem(_TITLE, detail, error.lines.get("fix") or f"use {error.lines.get('fields', '')}", _WHERE)
        return
    if unanswered is not None:
        yield unanswered.finding(_TITLE, _WHERE, needed=True)
    else:
        yield fact(_TITLE, f"{name.replace(RUN, 'RUN')} is free", _WHERE)
