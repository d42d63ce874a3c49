"""The rules of `tests/conftest.py`, held to."""

from __future__ import annotations

import os
import socket
import subprocess
from contextlib import suppress

import pytest

from tests.conftest import Unmarked


def test_a_test_without_marks_cannot_connect_or_listen() -> None:
    with socket.socket() as one:
        with pytest.raises(Unmarked, match="sockets"):
            one.connect(("127.0.0.1", 9))
        with pytest.raises(Unmarked, match="sockets"):
            one.bind(("127.0.0.1", 0))


def test_a_test_without_marks_cannot_start_programs() -> None:
    with pytest.raises(Unmarked, match="subprocesses"):
        subprocess.run(["true"], check=False)
    with pytest.raises(Unmarked, match="subprocesses"):
        os.system("true")  # noqa: S605 - refused


def test_code_that_swallows_every_exception_cannot_hide_it() -> None:
    with pytest.raises(Unmarked), suppress(Exception):
        subprocess.run(["true"], check=False)


@pytest.mark.sockets
def test_a_mark_opens_sockets_and_no_programs() -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        assert one.getsockname()[1] > 0
    with pytest.raises(Unmarked):
        subprocess.run(["true"], check=False)


@pytest.mark.subprocesses
def test_a_mark_opens_programs_and_no_sockets() -> None:
    assert subprocess.run(["true"], check=False).returncode == 0
    with socket.socket() as one, pytest.raises(Unmarked):
        one.bind(("127.0.0.1", 0))


def test_no_account_of_this_machine_is_seen() -> None:
    assert os.environ["AWS_ACCESS_KEY_ID"] == "testing"
    assert not {"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_SESSION_TOKEN"} & os.environ.keys()
