"""This machine as a host whose /etc/os-release and /run/amiforge are a test's own, so that the whole engine is real."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from amiforge.errors import ConnectionLost
from amiforge.host.base import OnOutput, Output
from amiforge.host.local import LocalHost

OS_RELEASE = 'ID="amzn"\nVERSION_ID="2023"\n'


class MappedHost(LocalHost):
    """Runs scripts for real, with two paths below a temporary folder and without systemd's transient units.

    `scripts` are all that ran; `cut_after` makes the link die once, after that many bytes of a job's output.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.scripts: list[str] = []
        self.connections = 0
        self.cut_after = -1
        (root / "os-release").write_text(OS_RELEASE)

    def connect(self) -> None:
        self.connections += 1

    def run(self, script: str, *, timeout: float | None = None, on_output: OnOutput | None = None) -> Output:
        self.scripts.append(script)
        taking = self._until_cut(on_output) if self.cut_after >= 0 and on_output else on_output
        return super().run(self._mapped(script), timeout=timeout, on_output=taking)

    @contextmanager
    def hold(self, script: str) -> Iterator[bytes]:
        self.scripts.append(script)
        with super().hold(self._mapped(script)) as printed:
            yield printed

    def _mapped(self, script: str) -> str:
        script = script.replace("/etc/os-release", str(self.root / "os-release"))
        script = script.replace("/run/systemd/system", "/nonexistent")
        return script.replace("/run/amiforge", str(self.root / "run"))

    def _until_cut(self, on_output: OnOutput) -> Callable[[bytes], None]:
        received = 0

        def take(piece: bytes) -> None:
            nonlocal received
            on_output(piece)
            received += len(piece)
            if received >= self.cut_after:
                self.cut_after = -1
                raise ConnectionLost("the test cut the link")

        return take
