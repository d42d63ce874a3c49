"""The sandbox's server process: `python -m amiforge.sandbox.server FOLDER …`, started by `lifecycle.up`.

Imports little before it can be found by its pid file: whoever ends the sandbox in that moment waits for this.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from threading import Event

from amiforge.sandbox.folder import Folder
from amiforge.sandbox.process import Process

_LOG = logging.getLogger("amiforge.sandbox")


def main(arguments: Sequence[str]) -> None:
    """Serve until SIGTERM, SIGINT or SIGHUP."""
    options = _options(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    over = Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: over.set())
    folder = Folder(options.folder)
    process = Process.of("self")
    if process:
        process.write(folder.pid_file("server"))
    os.close(options.lock)
    _serve(folder, options, over)
    folder.pid_file("server").unlink(missing_ok=True)


def _serve(folder: Folder, options: Namespace, over: Event) -> None:
    from amiforge.sandbox.api.serving import Serving  # noqa: PLC0415 - takes seconds, see above

    serving = Serving(folder, options.port)
    serving.endpoint.write(folder.server_json)
    _LOG.info("serving %s", folder.path)
    os.write(options.ready, b"1")
    os.close(options.ready)
    over.wait()
    folder.server_json.unlink(missing_ok=True)
    serving.close()
    _LOG.info("ended")


def _options(arguments: Sequence[str]) -> Namespace:
    parser = ArgumentParser(prog="python -m amiforge.sandbox.server")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=0, help="port of the API; 0 takes any free one")
    parser.add_argument("--lock", type=int, required=True, help="descriptor to close when the pid file is written")
    parser.add_argument("--ready", type=int, required=True, help="descriptor to write a byte to when it serves")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
