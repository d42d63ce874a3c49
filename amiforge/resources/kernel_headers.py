"""Headers of kernels that nobody boots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache

from pydantic.dataclasses import dataclass

from amiforge.engine.query import Answer, Query, QueryKind, Replies
from amiforge.engine.resource import Change, Resource, State
from amiforge.errors import FactUnreadable
from amiforge.resources.strict import STRICT
from amiforge.systems.kernel import KernelNaming
from amiforge.systems.system import System


def _parse(answer: Answer, items: Sequence[str]) -> Mapping[str, str]:
    if answer.status != 0:
        raise FactUnreadable("the host does not say which kernel headers it has", stdout=answer.text[-500:])
    return dict.fromkeys(items, answer.text)


@cache
def _headers(kernel: KernelNaming) -> QueryKind[str]:
    return QueryKind("kernel headers", kernel.headers_query, _parse)


@dataclass(frozen=True, config=STRICT)
class OnlyKernelHeaders(Resource):
    """Headers are installed for the kernel that runs and the one that boots next, and for no other.

    A module that is built from source, by DKMS or by an installer, is built for every kernel with headers: for old
    kernels in vain, at best (NVIDIA/nodewright-packages, change 94; aws/aws-parallelcluster, issue 7064).

    Attributes:
        found: packages of other kernels' headers; filled in by the engine.
    """

    found: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`headers of no other kernel`."""
        return "headers of no other kernel"

    def queries(self, system: System) -> tuple[Query[str], ...]:
        """Ask for the headers' packages."""
        return (Query(_headers(system.os.kernel)),)

    def resolved(self, replies: Replies, system: System) -> Resource:
        """Give the resource with the packages to remove."""
        printed = replies[Query(_headers(system.os.kernel))]
        kernels = [release for release in (system.kernel, system.default_kernel) if release]
        return replace(self, found=system.os.kernel.other_headers(printed, kernels))

    def desired(self, system: System) -> State:
        """Want none of other kernels."""
        return {"others": ()}

    def actual(self, replies: Replies, system: System) -> State:
        """Give those that are there."""
        return {"others": self.found}

    def changes(self, differing: frozenset[str], system: System) -> Iterator[Change]:
        """Remove them."""
        manager = system.os.packages
        yield Change(f"remove {', '.join(self.found)}", manager.remove(self.found), job=True, locks=manager.locks)
