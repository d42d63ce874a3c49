"""The `amiforge` program: its commands, and how every run of it ends."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from amiforge.cli import sandbox
from amiforge.cli.apply import apply
from amiforge.cli.bake import bake
from amiforge.cli.debug import debug
from amiforge.cli.diff import diff
from amiforge.cli.gc import gc
from amiforge.cli.images import images
from amiforge.cli.list import list_recipes
from amiforge.cli.lock import lock
from amiforge.cli.plan import plan
from amiforge.cli.promote import promote
from amiforge.cli.prune import prune
from amiforge.cli.publish import publish
from amiforge.cli.report import report
from amiforge.cli.resume import resume
from amiforge.cli.rollback import rollback
from amiforge.cli.runs import runs
from amiforge.cli.sbom import sbom
from amiforge.cli.show import show
from amiforge.cli.verify import verify
from amiforge.errors import AmiforgeError

INTERRUPTED = 130

#: Every error of the argument parser; typer re-exports only some of them.
_ParserError: Any = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")

app = typer.Typer(
    name="amiforge",
    help="Bake Amazon Machine Images for self-managed ML clusters.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # its rendering imports a Markdown parser and a highlighter, longer than all else together
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("list", short_help="List recipes and tasks.")(list_recipes)
app.command("show", short_help="Show what will be on an image.")(show)
app.command("plan", short_help="Say what would be done.")(plan)
app.command("apply", short_help="Bring a running machine to a recipe.")(apply)
app.command("bake", short_help="Make images.")(bake)
app.command("resume", short_help="Go on with a run.")(resume)
app.command("report", short_help="Write the report of a run.")(report)
app.command("runs", short_help="List runs and what came of them.")(runs)
app.command("diff", short_help="Show what is different between two images.")(diff)
app.command("sbom", short_help="Say what is on an image, for scanners.")(sbom)
app.command("publish", short_help="Copy, share and name a verified image.")(publish)
app.command("promote", short_help="Let a channel name a published image.")(promote)
app.command("rollback", short_help="Let a channel name what it named before.")(rollback)
app.command("images", short_help="List the images that bakes made.")(images)
app.command("prune", short_help="Remove images that have had their time.")(prune)
app.command("debug", short_help="Look at an image that failed.")(debug)
app.command("gc", short_help="Remove what dead runs left in EC2.")(gc)
app.command("verify", short_help="Prove that a machine or image is right.")(verify)
app.command("lock", short_help="Record what downloads and keys are.")(lock)
app.add_typer(sandbox.app, name="sandbox", short_help="The EC2 on this machine.")


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"amiforge {version('amiforge')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Bake Amazon Machine Images for self-managed ML clusters."""


def run(args: Sequence[str]) -> int:
    """Run one command line and give its exit status; prints what went wrong, never a traceback."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as `nohup` wants it
            signal.signal(number, _interrupt)
    notes: list[str] = []
    try:
        status = app(args=list(args), prog_name="amiforge", standalone_mode=False)
    except AmiforgeError as error:
        typer.echo(error.block(), err=True)
        return error.exit_status
    except (KeyboardInterrupt, typer.Abort) as error:
        status = INTERRUPTED
        notes = getattr(error.__cause__ or error, "__notes__", [])
    except BrokenPipeError:
        # Who read our output has left. Python would say so once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except _ParserError as error:
        error.show()
        return 2
    except Exception as error:  # noqa: BLE001 - the last place that can spare a user the traceback
        typer.echo(_unexpected(error).block(), err=True)
        return 1
    if status == INTERRUPTED:
        typer.echo("\n    ".join(("✗ interrupted", *notes)), err=True)
    return status if isinstance(status, int) else 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _unexpected(error: Exception) -> AmiforgeError:
    """Keep the traceback of a defect of ours in a file, and give what the user is told."""
    from tempfile import gettempdir

    name = f"crash-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.log"
    text = "".join(traceback.format_exception(error))
    for folder in (Path(".amiforge"), Path(gettempdir())):
        try:
            folder.mkdir(exist_ok=True)
            path = folder / name
            path.write_text(text)
        except OSError:
            continue
        break
    else:
        return AmiforgeError(f"unexpected {type(error).__name__}: {error}", traceback=text)
    return AmiforgeError(
        f"unexpected {type(error).__name__}: {error}",
        log=str(path.absolute()),
        fix="this is a defect of amiforge; please report it with that file",
    )
