"""The IAM policy of a bake has every call that bakes make, and no other."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

import pytest
from moto.ec2.models import ec2_backends

from amiforge.bake.login import Login
from amiforge.ec2.policy import SOMETIMES, statements
from amiforge.ec2.tags import RUN
from amiforge.errors import AmiforgeError, AuthRefused
from amiforge.host.base import Host, Output
from amiforge.host.fake import FakeHost
from tests.unit.bake.bench import Bench
from tests.unit.ec2.cloud import REGION


def allowed(bench: Bench) -> set[str]:
    recipe = bench.recipe
    return {action for each in statements(recipe.source, recipe.builder) for action in each.actions}


def called(bench: Bench) -> set[str]:
    return {f"ec2:{name}" for name in bench.cloud.calls}


def test_a_bake_that_goes_well_makes_all_calls_of_its_policy_but_those_that_not_every_bake_makes(bench: Bench) -> None:
    bench.bake()
    assert called(bench) == allowed(bench) - SOMETIMES


def test_bakes_that_go_wrong_make_the_others_and_no_more(bench: Bench) -> None:
    bench.fates = ["failed"]
    with suppress(AmiforgeError):
        bench.bake()
    bench.machines.connect = partial(closed, bench)  # type: ignore[method-assign]
    with pytest.raises(AuthRefused):
        bench.bake(reach_deadline=0.01)
    assert called(bench) == allowed(bench)


def closed(bench: Bench, _login: Login) -> Host:
    """Let nobody in, and leave a volume that outlives its instance."""
    volume = ec2_backends["123456789012"][REGION].create_volume(size=1, zone_name="us-east-1a")
    volume.add_tags({RUN: bench.run_folder.name})
    return Stranger(lambda _: Output(0))


class Stranger(FakeHost):
    def connect(self) -> None:
        raise AuthRefused("no key is known here")
