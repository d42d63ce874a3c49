"""Writing a run's report at its end, however it ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from amiforge.errors import AmiforgeError


@contextmanager
def reporting(folder: Path, prices: Mapping[str, float]) -> Iterator[None]:
    """Write the report of the run in this folder when the context is left, and name it in the error that ends it.

    A report that cannot be written costs nobody a bake: it is missing, and `amiforge report` says why.
    """
    try:
        yield
    except BaseException as error:
        path = _written(folder, prices)
        if path and isinstance(error, AmiforgeError):
            error.add(report=str(path))
        elif path:
            error.add_note(f"report: {path}")
        raise
    _written(folder, prices)


def _written(folder: Path, prices: Mapping[str, float]) -> Path | None:
    from amiforge.bake.report import write_report  # noqa: PLC0415 - brings a template engine, needed at the end alone

    with suppress(Exception):
        return write_report(folder, prices)
    return None
