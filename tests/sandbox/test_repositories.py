"""Repositories as the real apt and dnf understand them: who may sign, what may come from where, what wins."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from amiforge.ec2.source_image import SourceImage, al2023_image, ubuntu_image
from amiforge.engine.apply import Report, apply, plan
from amiforge.engine.resource import Resource
from amiforge.host.ssh import SshHost
from amiforge.resources import Repository
from amiforge.sandbox.folder import Folder
from amiforge.sandbox.mirror import digests, fingerprints, mirror_address
from amiforge.settings import EngineSettings
from amiforge.systems.system import System
from amiforge.systems.trust import Trust
from amiforge.tasks.parts.cuda_repository import cuda_repository
from amiforge.tasks.task import Task
from tests.sandbox.cloud import Cloud
from tests.sandbox.test_mirror_alone import launched
from tests.unit.resources.test_signing_key import KEY

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]


class Alone(Task):
    """The CUDA repository, with something changed."""

    only: tuple[str, ...] = ()

    def repository(self, system: System) -> Repository:
        return replace(cuda_repository(system), only=self.only, signed_index=True)

    def resources(self, system: System) -> Iterator[Resource]:
        """Give the repository."""
        yield self.repository(system)


@dataclass
class Machine:
    """A machine, and what is known of the sandbox's mirror."""

    host: SshHost
    settings: EngineSettings
    trust: Trust

    def apply(self, component: Alone) -> Report:
        report = apply(self.host, [component], settings=self.settings, trust=self.trust)
        assert plan(self.host, [component], settings=self.settings, trust=self.trust).pending == ()
        return report

    def differing(self, component: Alone) -> list[str]:
        planned = plan(self.host, [component], settings=self.settings, trust=self.trust)
        return [each.key for item in planned.pending for each in item.differences]

    def says(self, command: str) -> tuple[int, str]:
        answer = self.host.run(f"{command} 2>&1")
        return answer.status, answer.stdout.decode()


def machine(cloud: Cloud, folder: Folder, source: SourceImage, work: Path) -> Machine:
    settings = EngineSettings(mirror=mirror_address(folder))
    return Machine(launched(cloud, source, work), settings, Trust(digests(folder), fingerprints(folder)))


def test_apt_takes_from_a_flat_repository_what_it_may_and_prefers_it(
    cloud: Cloud, own_folder: Folder, tmp_path: Path
) -> None:
    ubuntu = machine(cloud, own_folder, ubuntu_image(), tmp_path)
    some, everything = Alone(only=("libcudnn9*",)), Alone()
    system = ubuntu.apply(some).system

    def candidate(package: str) -> tuple[str, str]:
        """Give apt's candidate, and the priority of its best version; empty ones where there is none."""
        _, policy = ubuntu.says(f"apt-cache policy {package}")
        best = re.search(r"Candidate: (\S+)", policy)
        found = re.search(rf"{re.escape(best[1])} (-?\d+)\n" if best else "$^", policy)
        return (best[1] if best else ""), (found[1] if found else "")

    assert candidate("libcudnn9-cuda-13")[1] == "600"
    assert candidate("cuda-toolkit-13-0")[0] == "(none)"
    assert candidate("linux-base")[1] == "500"
    ubuntu.apply(everything)
    assert candidate("cuda-toolkit-13-0")[1] == "600"

    path = system.os.packages.key_path(everything.repository(system).id)
    ubuntu.host.run(f"cat >{path} <<'END'\n{KEY}END\nrm -rf /var/lib/apt/lists/*")
    status, said = ubuntu.says("apt-get -o APT::Update::Error-Mode=any update")
    assert status != 0
    assert "NO_PUBKEY" in said
    assert ubuntu.differing(everything) == ["key"]
    assert ubuntu.apply(everything).changed == 1


def test_dnf_takes_what_it_may_and_believes_only_a_signed_index(
    cloud: Cloud, own_folder: Folder, tmp_path: Path
) -> None:
    al2023 = machine(cloud, own_folder, al2023_image(), tmp_path)
    some, everything = Alone(only=("libcudnn9*",)), Alone()
    system = al2023.apply(some).system
    available = "dnf -qy repoquery --repo=cuda --available --qf '%{name}'"
    assert "libcudnn9-cuda-13" in al2023.says(available)[1].split()
    assert "cuda-toolkit-13-0" not in al2023.says(available)[1].split()
    al2023.apply(everything)
    assert "cuda-toolkit-13-0" in al2023.says(available)[1].split()

    path = system.os.packages.key_path(everything.repository(system).id)
    al2023.host.run(f"cat >{path} <<'END'\n{KEY}END\nrm -rf /var/cache/dnf")
    status, said = al2023.says("dnf -y --repo=cuda makecache")
    assert status != 0
    assert "GPG" in said
    assert al2023.differing(everything) == ["key"]
    assert al2023.apply(everything).changed == 1
