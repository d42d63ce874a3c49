from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from amiforge.sandbox.folder import Folder
from amiforge.sandbox.machine import CONSOLE_BYTES, Machine, Seed, cleanup
from amiforge.sandbox.process import Process

SEED = Seed("i-1", "ip-127-1-0-7", "127.1.0.7", b"#!/bin/sh\n", ("ssh-ed25519 AAAA one", "ssh-ed25519 BBBB two"))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine.create(Folder(tmp_path), "i-1", [tmp_path / "top", tmp_path / "base"], SEED)


def test_seed_tells_cloud_init_id_name_keys_and_user_data(machine: Machine) -> None:
    told = json.loads((machine.path / "seed/seed/meta-data").read_text())
    assert told == {
        "instance-id": "i-1",
        "local-hostname": "ip-127-1-0-7",
        "public-keys": ["ssh-ed25519 AAAA one", "ssh-ed25519 BBBB two"],
    }
    assert (machine.path / "seed/seed/user-data").read_bytes() == b"#!/bin/sh\n"


def test_sshd_is_told_its_own_address_and_no_other() -> None:
    assert SEED.files()["sshd.env"] == b"SSHD_OPTS=-oListenAddress=127.1.0.7\n"


def test_sshd_can_be_moved_and_the_machines_address_stays(machine: Machine) -> None:
    machine.move_sshd("127.3.0.7")
    assert (machine.path / "seed/sshd.env").read_text() == "SSHD_OPTS=-oListenAddress=127.3.0.7\n"
    assert machine.address == "127.1.0.7"


def test_user_data_is_for_root_alone(machine: Machine) -> None:
    assert (machine.path / "seed/seed/user-data").stat().st_mode & 0o777 == 0o600


def test_machine_is_found_again_from_disk(machine: Machine, tmp_path: Path) -> None:
    again = Machine(Folder(tmp_path), "i-1")
    assert again.layers == (tmp_path / "top", tmp_path / "base")
    assert again.hostname == "ip-127-1-0-7"
    assert again.address == "127.1.0.7"
    assert again.state == "stopped"
    assert again.upper == machine.upper
    assert not list(again.upper.iterdir())


def test_half_made_machine_of_a_killed_run_is_replaced(tmp_path: Path) -> None:
    half = tmp_path / "machines" / ".i-1.new" / "upper"
    half.mkdir(parents=True)
    (half / "rubbish").touch()
    machine = Machine.create(Folder(tmp_path), "i-1", [tmp_path], SEED)
    assert [path.name for path in (tmp_path / "machines").iterdir()] == ["i-1"]
    assert not list(machine.upper.iterdir())


@pytest.mark.parametrize("state", ["pending", "running", "stopping"])
def test_state_is_the_word_of_a_living_supervisor(machine: Machine, state: str) -> None:
    (machine.path / "state").write_text(state)
    own = Process.of(os.getpid())
    assert own
    own.write(machine.pid_file)
    assert machine.state == state


def test_state_is_stopped_when_the_pid_belongs_to_another_process_by_now(machine: Machine) -> None:
    machine.note_state("running")
    own = Process.of(os.getpid())
    assert own
    Process(own.pid, own.started - 1).write(machine.pid_file)
    assert machine.state == "stopped"


def test_console_is_the_tail_of_the_log(machine: Machine) -> None:
    assert machine.console() == ""
    (machine.path / "console.log").write_bytes(b"old" + b"x" * CONSOLE_BYTES)
    assert machine.console() == "x" * CONSOLE_BYTES


def test_console_with_foreign_bytes_is_still_text(machine: Machine) -> None:
    (machine.path / "console.log").write_bytes(b"a\xffb")
    assert machine.console() == "a\N{REPLACEMENT CHARACTER}b"


def test_remove_deletes_the_machine_and_again_does_nothing(machine: Machine) -> None:
    machine.remove()
    assert not machine.path.exists()
    machine.remove()


def test_cleanup_of_an_unused_folder_makes_nothing(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "never")
    cleanup(folder)
    assert not folder.path.exists()
