"""A bake that is killed, wherever it is: resumed it comes to one image, collected to none. `make deaths` kills more."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from amiforge.bake import bake
from amiforge.sandbox.faults import CallFault
from amiforge.settings import BakeSettings
from tests.deaths.deaths import RECIPE
from tests.deaths.ec2 import Ec2
from tests.deaths.machines import PretendMachines


@pytest.mark.sockets
@pytest.mark.subprocesses
@pytest.mark.timeout(900)
def test_a_bake_killed_at_any_boundary_is_resumed_to_one_image_or_collected_to_none() -> None:
    command = [sys.executable, "-m", "tests.deaths", "--few"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2], start_new_session=True
    ) as program:
        try:
            told, _ = program.communicate()
        except BaseException:
            os.killpg(program.pid, signal.SIGKILL)
            raise
    print(told)  # noqa: T201 - for whoever looks at a failure
    assert program.returncode == 0, told
    numbers = {name.strip(): int(count) for name, count in re.findall(r"(?m)^([a-z ]+?) +(\d+)$", told)}
    assert numbers["leaks"] == 0
    assert numbers["deaths"] > numbers["boundaries in a journal"] > 80
    assert numbers["of which died at"] > 80


@pytest.mark.sockets
@pytest.mark.subprocesses
@pytest.mark.parametrize(("operation", "skip"), [("RunInstances", 0), ("RunInstances", 1), ("CreateImage", 0)])
def test_a_lost_answer_gives_one_instance_and_one_image(tmp_path: Path, operation: str, skip: int) -> None:
    with Ec2(tmp_path) as ec2:
        ec2.order(CallFault(operation=operation, skip=skip, lost=True))
        settings = BakeSettings(runs=str(tmp_path / "runs"), poll=0.02)
        made = bake(RECIPE, ec2.settings, settings=settings, means=PretendMachines(tmp_path).means())
        outcomes = [call.outcome for call in ec2.app.traffic.calls if call.operation == operation]
        assert outcomes[skip] == "lost"
        assert ec2.made() == {"builder": 1, "verify": 1, "image": 1}
        assert ec2.inventory() == [f"image {made.image} verified"]
