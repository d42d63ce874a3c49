"""The sandbox comes up, is found, goes down, and leaves nothing behind, whatever was killed before."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from amiforge.errors import SandboxUnavailable
from amiforge.sandbox.endpoint import Endpoint
from amiforge.sandbox.folder import Folder
from amiforge.sandbox.lifecycle import down, running, session, status, up
from amiforge.sandbox.machine import Machine
from amiforge.sandbox.process import Process
from tests.sandbox.cloud import Cloud, until

pytestmark = pytest.mark.sandbox


@pytest.fixture
def folder(own_folder: Folder) -> Iterator[Folder]:
    """Give the test suite's folder with nothing running; images made here are removed."""
    down(own_folder)
    yield own_folder
    down(own_folder)
    for record in own_folder.images.glob("*/image.json"):
        shutil.rmtree(record.parent)


def launched(endpoint: Endpoint, key: Path) -> tuple[Cloud, str]:
    cloud = Cloud(endpoint, key, "k")
    cloud.client().import_key_pair(KeyName="k", PublicKeyMaterial=key.with_suffix(".pub").read_bytes())
    instance_id = cloud.running(cloud.source())
    cloud.ssh(instance_id, "true")
    return cloud, instance_id


def server(folder: Folder) -> Process:
    process = Process.read(folder.pid_file("server"))
    assert process
    return process


def left(folder: Folder) -> list[str]:
    """List processes that were started for this folder, and mounts below it."""
    mounts = [line for line in Path("/proc/self/mounts").read_text().splitlines() if f" {folder.path}/" in line]
    commands = Path("/proc").glob("[0-9]*/cmdline")
    return mounts + [words for path in commands if f"{folder.path}\0" in (words := _read(path))]


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def test_up_is_found_and_serves_api_and_mirror_until_down(folder: Folder, key: Path) -> None:
    endpoint = up(folder)
    assert up(folder) == endpoint == running(folder)
    older = status(folder).images
    cloud, instance_id = launched(endpoint, key)
    image_id = cloud.image(instance_id, "kept")
    repository = next(path for path in folder.mirror.rglob("repomd.xml") if "unserved" not in path.parts)
    with urlopen(f"{endpoint.mirror_url}/{repository.relative_to(folder.mirror)}") as answer:  # noqa: S310
        assert answer.read() == repository.read_bytes()
    seen = status(folder)
    assert (seen.instances, seen.stray) == ({instance_id: "running"}, ())
    assert sorted(seen.images) == sorted((*older, image_id))
    assert len(left(folder)) >= 2, "the check for what is left sees what is there"
    down(folder)
    assert running(folder) is None
    assert left(folder) == []
    assert status(folder).images == seen.images
    with pytest.raises(URLError):
        urlopen(endpoint.url)  # noqa: S310
    again = Cloud(up(folder), key, "k")
    assert again.image_state(image_id) == "available"
    assert again.client().describe_instances()["Reservations"] == []
    down(folder)
    down(folder)
    assert left(folder) == []


def test_down_removes_what_a_killed_server_and_supervisor_left(folder: Folder, key: Path) -> None:
    endpoint = up(folder)
    cloud, first = launched(endpoint, key)
    second = cloud.running(cloud.source())
    server(folder).signal(signal.SIGKILL)
    until(lambda: running(folder) is None)
    assert status(folder).stray == tuple(sorted((first, second)))
    supervisor = Process.read(Machine(folder, second).pid_file)
    assert supervisor
    supervisor.signal(signal.SIGKILL)
    down(folder)
    assert left(folder) == []
    assert status(folder).stray == ()


def test_up_after_a_killed_server_starts_afresh(folder: Folder, key: Path) -> None:
    cloud, instance_id = launched(up(folder), key)
    image_id = cloud.image(instance_id, "kept", NoReboot=True)
    server(folder).signal(signal.SIGKILL)
    until(lambda: running(folder) is None)
    seen = status(folder)
    assert (seen.endpoint, seen.images) == (None, (image_id,))
    up(folder)
    assert status(folder).instances == {}
    assert status(folder).stray == ()
    assert status(folder).images == seen.images


def test_a_half_made_image_is_gone_after_a_restart(folder: Folder) -> None:
    up(folder)
    down(folder)
    (folder.layer("ami-0half") / "etc").mkdir(parents=True)
    up(folder)
    assert not folder.image("ami-0half").exists()


def test_a_session_ends_with_an_error_and_leaves_nothing(folder: Folder) -> None:
    def interrupted() -> None:
        with session(folder):
            assert running(folder)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert running(folder) is None
    assert left(folder) == []


def test_a_session_in_a_running_sandbox_leaves_it_running(folder: Folder) -> None:
    endpoint = up(folder)
    with session(folder) as same:
        assert same == endpoint
    assert running(folder) == endpoint


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_program_that_is_told_to_end_takes_its_session_down(folder: Folder, number: signal.Signals) -> None:
    up(folder)
    down(folder)
    program = (
        "import sys, time; from pathlib import Path\n"
        "from amiforge.sandbox.folder import Folder; from amiforge.sandbox.lifecycle import session\n"
        "with session(Folder(Path(sys.argv[1]))): print('in', flush=True); time.sleep(60)\n"
    )
    command = [sys.executable, "-c", program, str(folder.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as started:
        assert started.stdout
        assert started.stdout.readline() == "in\n"
        os.kill(started.pid, number)
        assert started.wait(60) != 0
    assert running(folder) is None
    assert left(folder) == []


def test_a_start_that_is_killed_half_way_leaves_nothing_after_down(folder: Folder) -> None:
    up(folder)
    down(folder)
    program = (
        "import sys; from pathlib import Path\n"
        "from amiforge.sandbox.folder import Folder; from amiforge.sandbox.lifecycle import up\n"
        "up(Folder(Path(sys.argv[1])))\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(folder.path)]) as started:
        until(lambda: any("amiforge.sandbox.server" in words for words in left(folder)))
        started.kill()
    down(folder)
    assert left(folder) == []
    time.sleep(3)  # a server that was overlooked would serve by now
    assert left(folder) == []


def test_a_taken_port_is_told_with_the_servers_words(folder: Folder) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SandboxUnavailable) as error:
        up(folder, port=taken.getsockname()[1])
    assert "in use" in error.value.lines["server"]
    assert left(folder) == []
