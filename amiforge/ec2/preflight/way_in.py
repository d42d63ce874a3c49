"""How the builder is connected to: programs, an endpoint, the address we come from, and groups that let us in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from amiforge.ec2.access import require_programs, sources
from amiforge.ec2.builder import Builder
from amiforge.ec2.network import Subnet, refuse_closed
from amiforge.ec2.preflight.finding import Finding, Unasked, ask, fact, problem
from amiforge.ec2.preflight.services import Services
from amiforge.errors import ConfigError

T = TypeVar("T")

_TITLE = "way in"


def judge(services: Services, builder: Builder, subnet: Subnet | None) -> Iterator[Finding]:
    """Say whether a builder in a subnet can be connected to, as far as a bake itself looks before it launches one."""
    programs = _refused(lambda: require_programs(builder), "builder.access")
    if programs:
        yield programs
    if not subnet:
        return
    come_from = _refused(lambda: sources(services.clients, builder, subnet), "builder.access")
    if isinstance(come_from, Finding):
        yield come_from
        return
    yield fact(_TITLE, f"{builder.access}, port {builder.ssh_port} for {', '.join(come_from) or 'nobody'}")
    groups = builder.security_groups
    if groups:
        where = "builder.security_groups"
        closed = _refused(
            lambda: refuse_closed(services.clients, groups, subnet.vpc, come_from, builder.ssh_port), where
        )
        yield closed or fact("security groups", ", ".join(groups), where)


def _refused(question: Callable[[], T], where: str) -> T | Finding:
    """Ask what a bake would ask, and give the answer, or as a problem what the bake would be refused with."""
    try:
        answer = ask(question)
    except ConfigError as error:
        rest = "; ".join(text for label, text in error.lines.items() if label != "fix")
        detail = f"{error.message}: {rest}" if rest else error.message
        return problem(_TITLE, detail, error.lines.get("fix", "change it"), where)
    return answer.finding(_TITLE, where, needed=True) if isinstance(answer, Unasked) else answer
