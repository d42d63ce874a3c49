from __future__ import annotations

from dataclasses import replace

import pytest

from amiforge.engine.plan import Item, assess
from amiforge.engine.query import Answer, Replies
from amiforge.errors import FactUnreadable
from amiforge.resources import OnlyKernelHeaders
from amiforge.systems import by_name
from amiforge.systems.system import System

RPM = (
    "kernel6.12-devel 6.12.103-126.191.amzn2023.x86_64\n"
    "kernel6.12-devel 6.12.110-135.202.amzn2023.x86_64\n"
    "kernel-devel 6.1.150-1.amzn2023.x86_64\n"
)
DEB = (
    "ii  linux-aws-headers-6.8.0-1024\nii  linux-headers-6.8.0-1024-aws\nhi  linux-headers-6.8.0-1031-aws\n"
    "ii  linux-aws-headers-6.8.0-1031\nrc  linux-headers-6.8.0-1009-aws\nii  linux-aws-6.14-headers-6.14.0-1010\n"
)
AL2023 = System(os=by_name("al2023"), kernel="6.12.110-135.202.amzn2023.x86_64")
BOOTS_ANOTHER = replace(AL2023, default_kernel="6.1.150-1.amzn2023.x86_64")
UBUNTU = System(os=by_name("ubuntu2404"), kernel="6.8.0-1031-aws")


@pytest.mark.parametrize(
    ("system", "printed", "others"),
    [
        (AL2023, RPM, ["kernel-devel-6.1.150-1.amzn2023.x86_64", "kernel6.12-devel-6.12.103-126.191.amzn2023.x86_64"]),
        (BOOTS_ANOTHER, RPM, ["kernel6.12-devel-6.12.103-126.191.amzn2023.x86_64"]),
        (AL2023, "", []),
        (
            UBUNTU,
            DEB,
            ["linux-aws-6.14-headers-6.14.0-1010", "linux-aws-headers-6.8.0-1024", "linux-headers-6.8.0-1024-aws"],
        ),
    ],
)
def test_headers_of_kernels_that_nobody_boots_are_removed(system: System, printed: str, others: list[str]) -> None:
    resource = OnlyKernelHeaders()
    (query,) = resource.queries(system)
    reply = query.kind.parse(Answer(0, printed.encode(), b""), [query.item])[query.item]
    planned = assess(Item("test", resource), Replies({query: reply}), system)
    assert [each.actual for each in planned.differences] == ([tuple(others)] if others else [])
    removed = [str(word) for change in planned.changes for word in change.command.args]
    assert set(others) <= set(removed)
    assert not any(word.endswith(("6.12.110-135.202.amzn2023.x86_64", "1031", "1031-aws")) for word in removed)


def test_a_host_that_cannot_tell_is_not_believed() -> None:
    (query,) = OnlyKernelHeaders().queries(AL2023)
    with pytest.raises(FactUnreadable):
        query.kind.parse(Answer(1, b"", b""), [""])
