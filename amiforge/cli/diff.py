"""`amiforge diff`: what is different between two images."""

from __future__ import annotations

from typing import Annotated

import typer

from amiforge.cli.options import ConfigFile, KeyFile
from amiforge.errors import ConfigError

_HELP = "Run, AMI, manifest's file, or USER@ADDRESS of an instance."
Before = Annotated[str, typer.Argument(metavar="A", help=_HELP, show_default=False)]
After = Annotated[str, typer.Argument(metavar="B", help="The same of what came later.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print it as tables for a pull request.")]
ExitCode = Annotated[bool, typer.Option("--exit-code", help="End with status 1 where there is a difference.")]


def diff(
    before: Before,
    after: After,
    markdown: Markdown = False,
    exit_code: ExitCode = False,
    key: KeyFile = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Show what is different between two images: components that moved first, then options, packages and files."""
    from amiforge.bake.diff import as_markdown, as_text, compare
    from amiforge.cli.config import load
    from amiforge.cli.manifest import named_manifest

    if markdown and as_json:
        raise ConfigError("--markdown and --json cannot be had together", fix="leave one of them out")
    settings = load(config)
    found = compare(*(named_manifest(name, settings, key) for name in (before, after)))
    if as_json:
        typer.echo(found.model_dump_json())
    else:
        typer.echo(as_markdown(found) if markdown else as_text(found))
    return int(exit_code and not found.empty)
