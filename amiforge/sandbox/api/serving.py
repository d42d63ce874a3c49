"""A sandbox folder, served: the EC2 API and the artifact mirror, each on a port of its own."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Thread
from urllib.parse import urlsplit

from amiforge.sandbox.addresses import Addresses
from amiforge.sandbox.api.account import Account
from amiforge.sandbox.api.app import App, bind
from amiforge.sandbox.api.booted import BootedMachines, source_record
from amiforge.sandbox.api.parameter_records import ParameterRecords
from amiforge.sandbox.api.records import ImageRecords
from amiforge.sandbox.endpoint import Endpoint
from amiforge.sandbox.folder import Folder
from amiforge.sandbox.mirror import mirror_address, mirror_app
from amiforge.sandbox.sources import SourceImage, Sources

#: Seconds between two looks at whether to stop serving.
_POLL = 0.1


class Serving:
    """Serves from the moment it exists, until `close`.

    Args:
        folder: the sandbox's folder.
        port: of the API on 127.0.0.1; 0 takes any free one.

    Raises:
        OSError: a port is taken.
        ValueError: an image or parameter on disk has an unreadable record.
    """

    def __init__(self, folder: Folder, port: int) -> None:
        sources = Sources(folder)
        records = tuple(source_record(folder, source) for source in sources.images)
        machines = BootedMachines(folder, sources.make)
        kept = ImageRecords(folder.images)
        self._account = Account(machines, kept, Addresses(), records, ParameterRecords(folder.parameters))
        app = App(self._account, parameters(sources.images))
        mirror = urlsplit(mirror_address(folder))
        api = bind(app, port=port)
        self._servers = (api, bind(mirror_app(folder), mirror.hostname or "", mirror.port or 0))
        for server in self._servers:
            Thread(target=server.serve_forever, args=(_POLL,), daemon=True).start()
        self.endpoint = Endpoint(f"http://127.0.0.1:{api.server_port}", mirror.geturl())

    def close(self) -> None:
        """Stop serving, and take the machines along."""
        for server in self._servers:
            server.shutdown()
        self._account.close()


def parameters(sources: Sequence[SourceImage]) -> dict[str, str]:
    """Give the public SSM parameters that lead to the source images, and what else their vendors publish."""
    ids = {name: source.ami_id for source in sources for name in source.data.parameters}
    return ids | {name: value for source in sources for name, value in source.data.values.items()}
