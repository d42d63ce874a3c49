"""An endpoint in this process, on the loopback interface, in front of machines that only pretend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from amiforge.sandbox.api.account import Account
from amiforge.sandbox.api.app import App, bind
from amiforge.sandbox.api.parameter_records import ParameterRecords
from amiforge.sandbox.api.records import ImageRecord, ImageRecords
from tests.unit.sandbox.api.fakes import PARAMETER, SOURCE, Cloud, FakeAddresses, FakeMachines, put_moto_back


@pytest.fixture
def open_cloud(tmp_path: Path) -> Iterator[Callable[..., Cloud]]:
    """Open an endpoint over the same folder, as often as wanted; the last one opened is the one that lives."""
    opened: list[tuple[Any, App]] = []

    def open_(sources: tuple[ImageRecord, ...] = (SOURCE,)) -> Cloud:
        machines, addresses = FakeMachines(tmp_path / "images"), FakeAddresses()
        records, parameters = ImageRecords(tmp_path / "images"), ParameterRecords(tmp_path / "parameters.json")
        account = Account(machines, records, addresses, sources, parameters)
        app = App(account, {PARAMETER: SOURCE.id})
        server = bind(app)
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        opened.append((server, app))
        return Cloud(f"http://127.0.0.1:{server.server_port}", machines, addresses)

    yield open_
    for server, app in opened:
        server.shutdown()
        server.server_close()
        app.account.close()
    put_moto_back()


@pytest.fixture
def cloud(open_cloud: Callable[[], Cloud]) -> Cloud:
    return open_cloud()
