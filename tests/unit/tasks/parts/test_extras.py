"""Topics of amazon-linux-extras: when one counts as enabled, and who has EPEL."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from amiforge.shell import Command
from amiforge.systems import SYSTEMS, by_name
from amiforge.systems.os import Os
from amiforge.systems.system import System
from amiforge.tasks.parts.extras import epel, topic

FILE = """[amzn2extra-docker]
enabled = 1

[amzn2extra-python3.8]
enabled = 0

[amzn2extra-lustre2.10]
enabled = 1
"""


@pytest.mark.shell
@pytest.mark.parametrize(
    ("name", "enabled"), [("docker", True), ("python3.8", False), ("lustre", False), ("epel", False)]
)
def test_a_topic_is_enabled_in_its_own_section(name: str, enabled: bool, tmp_path: Path) -> None:
    (tmp_path / "extras.repo").write_text(FILE)
    proof = topic(name, System(os=by_name("amzn2"))).proof
    assert isinstance(proof, Command)
    text = proof.text().replace("/etc/yum.repos.d/amzn2-extras.repo", str(tmp_path / "extras.repo"))
    assert (subprocess.run(["sh", "-c", text], check=False).returncode == 0) is enabled


@pytest.mark.parametrize("os", SYSTEMS, ids=lambda os: os.name)
def test_epel_is_for_amazon_linux_2(os: Os) -> None:
    names = [wish.name for wish in epel(System(os=os))]
    assert names == (["run enable the topic epel", "packages epel-release"] if os.name == "amzn2" else [])
