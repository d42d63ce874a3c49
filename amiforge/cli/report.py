"""`amiforge report`: the report of a run, anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from amiforge.cli.options import ConfigFile
from amiforge.errors import ConfigError


def complete_run(incomplete: str) -> list[str]:
    """Give the runs of this folder whose id starts so, for shell completion."""
    from amiforge.bake.history import histories
    from amiforge.cli.config import load

    found, _ = histories(Path(load(None).bake.runs))
    return [each.run for each in reversed(found) if each.run.startswith(incomplete)]


RunId = Annotated[
    str,
    typer.Argument(metavar="[RUN]", help="Id of the run, or its beginning.", autocompletion=complete_run),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="FILE", dir_okay=False, help="Where to write it; by default the run's folder."
    ),
]
Open = Annotated[bool, typer.Option("--open", help="Show it in the browser of this machine.")]


def report(run: RunId = "", output: Output = None, show: Open = False, config: ConfigFile = None) -> None:
    """Write the report of a run as one HTML page and print where it is; without a name, of the latest run.

    Every bake and every resume writes it at its end. This writes it anew, from what the run wrote down.
    """
    from amiforge.bake.report import write_report
    from amiforge.cli.config import load

    settings = load(config)
    folder = find_folder(Path(settings.bake.runs), run)
    try:
        path = write_report(folder, settings.report.prices, output)
    except OSError as error:
        raise ConfigError(
            f"cannot write {error.filename or output or folder}: {error.strerror}", fix="give another --output"
        ) from None
    typer.echo(str(path))
    if show:
        typer.launch(path.absolute().as_uri())


def find_folder(runs: Path, run: str) -> Path:
    """Give the folder of a run by its id or the beginning of it; without one, of the latest.

    Raises:
        ConfigError: there is none, or several begin so.
    """
    from amiforge.bake.history import histories
    from amiforge.bake.resume import find_run

    if run:
        return find_run(runs, run).folder
    found, _ = histories(runs)
    if not found:
        raise ConfigError(f"there are no runs in {runs}", fix="check bake.runs")
    return found[-1].folder
