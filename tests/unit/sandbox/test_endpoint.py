from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from amiforge.sandbox.endpoint import Endpoint
from amiforge.sandbox.folder import Folder
from amiforge.sandbox.lifecycle import Status, down, running, status

ENDPOINT = Endpoint("http://127.0.0.1:1", "http://127.2.0.1:8080")


def test_an_endpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    ENDPOINT.write(tmp_path / "server.json")
    assert Endpoint.read(tmp_path / "server.json") == ENDPOINT


@pytest.mark.parametrize("text", ["", "{", "{}", '{"url": "x", "colour": "y"}'])
def test_a_torn_or_foreign_file_is_no_endpoint(tmp_path: Path, text: str) -> None:
    (tmp_path / "server.json").write_text(text)
    assert Endpoint.read(tmp_path / "server.json") is None


def test_its_environment_leads_an_aws_client_there() -> None:
    assert ENDPOINT.environment()["AWS_ENDPOINT_URL"] == ENDPOINT.url


def test_where_nothing_was_started_nothing_runs_and_nothing_is_made(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "absent")
    assert running(folder) is None
    assert status(folder) == Status(None, {}, (), ())
    down(folder)
    assert not folder.path.exists()


def test_an_endpoint_whose_server_is_gone_is_not_running(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    ENDPOINT.write(folder.server_json)
    assert running(folder) is None
    folder.pid_file("server").parent.mkdir()
    folder.pid_file("server").write_text("1 999999999999\n")
    assert running(folder) is None
    down(folder)
    assert not folder.server_json.exists()


@pytest.mark.subprocesses
@pytest.mark.parametrize("module", ["amiforge.sandbox.lifecycle", "amiforge.sandbox.server"])
def test_moto_and_boto3_are_not_imported_outside_the_api(module: str) -> None:
    program = f"import sys, {module}; print({{'moto', 'werkzeug', 'boto3', 'botocore'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
