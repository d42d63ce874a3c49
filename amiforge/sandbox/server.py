"""The sandbox's server process: `python -m amiforge.sandbox.server FOLDER …`, started by `lifecycle.up`.

It serves the EC2 API and the artifact mirror until it is told to end, and takes its machines along.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from amiforge.sandbox.addresses import Addresses
from amiforge.sandbox.api.account import Account
from amiforge.sandbox.api.app import App, bind
from amiforge.sandbox.api.booted import BootedMachines, source_record
from amiforge.sandbox.api.records import ImageRecords
from amiforge.sandbox.endpoint import Delays, Endpoint
from amiforge.sandbox.folder import Folder
from amiforge.sandbox.mirror import mirror_address, mirror_app
from amiforge.sandbox.process import Process
from amiforge.sandbox.sources import SourceImage, source_images

if TYPE_CHECKING:
    from werkzeug.serving import BaseWSGIServer

_LOG = logging.getLogger("amiforge.sandbox")


def main(arguments: Sequence[str]) -> None:
    """Serve until SIGTERM or SIGINT. A byte on the descriptor `--ready` says that clients are welcome."""
    options = _options(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    over = Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: over.set())
    folder = Folder(options.folder)
    Process.of("self").write(folder.pid_file("server"))  # type: ignore[union-attr]
    account, app = _open(folder, Delays(**json.loads(options.delays)))
    mirror = urlsplit(mirror_address(folder))
    servers = [bind(app, port=options.port), bind(mirror_app(folder), mirror.hostname or "", mirror.port or 0)]
    for server in servers:
        Thread(target=server.serve_forever, daemon=True).start()
    Endpoint(f"http://127.0.0.1:{servers[0].server_port}", mirror_address(folder)).write(folder.server_json)
    _LOG.info("serving %s", folder.path)
    os.write(options.ready, b"1")
    os.close(options.ready)
    over.wait()
    _close(folder, account, servers)


def _options(arguments: Sequence[str]) -> Namespace:
    parser = ArgumentParser(prog="python -m amiforge.sandbox.server")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delays", default="{}")
    parser.add_argument("--ready", type=int, required=True)
    return parser.parse_args(arguments)


def _open(folder: Folder, delays: Delays) -> tuple[Account, App]:
    sources = source_images(folder)
    account = Account(
        BootedMachines(folder),
        ImageRecords(folder.images),
        Addresses(),
        tuple(source_record(folder, source) for source in sources),
        delays,
    )
    return account, App(account, parameters(sources))


def parameters(sources: Sequence[SourceImage]) -> dict[str, str]:
    """Give the public SSM parameters that lead to the source images, and what else their vendors publish."""
    ids = {name: source.ami_id for source in sources for name in source.parameters}
    return ids | {name: value for source in sources for name, value in source.values}


def _close(folder: Folder, account: Account, servers: Sequence[BaseWSGIServer]) -> None:
    folder.server_json.unlink(missing_ok=True)
    for server in servers:
        server.shutdown()
    account.close()
    folder.pid_file("server").unlink(missing_ok=True)
    _LOG.info("ended")


if __name__ == "__main__":
    main(sys.argv[1:])
