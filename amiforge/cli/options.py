"""Arguments and options that more than one command takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def complete_recipe(incomplete: str) -> list[str]:
    """Give the recipes whose name starts so, for shell completion."""
    from amiforge.recipes import names

    return [name for name in names() if name.startswith(incomplete)]


RecipeName = Annotated[
    str,
    typer.Argument(metavar="RECIPE", help="Name of the recipe.", autocompletion=complete_recipe, show_default=False),
]
RecipeNames = Annotated[
    list[str],
    typer.Argument(
        metavar="RECIPE…|all", help="Names of recipes, or all.", autocompletion=complete_recipe, show_default=False
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="TASK.OPTION=VALUE", help="Change an option of the recipe; repeatable."),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        envvar="AMIFORGE_CONFIG",
        help="Settings file; otherwise amiforge.toml here or in a folder above.",
    ),
]
Region = Annotated[str | None, typer.Option("--region", metavar="REGION", help="AWS region.")]
Profile = Annotated[str | None, typer.Option("--profile", metavar="NAME", help="Named profile of ~/.aws.")]
Sandbox = Annotated[bool, typer.Option("--sandbox", help="Use the EC2 on this machine instead of AWS.")]
Json = Annotated[bool, typer.Option("--json", help="Print events as JSON lines on stdout, and nothing else there.")]
HostName = Annotated[
    str | None,
    typer.Option("--host", metavar="[USER@]ADDRESS", help="Machine to ask; local:// for this one.", show_default=False),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--key", metavar="FILE", help="Private key to log in with; otherwise the agent's and the usual files."
    ),
]
OnFailure = Annotated[
    Literal["cleanup", "keep"] | None,
    typer.Option("--on-failure", help="What happens to the builder of a failed bake.", show_default="cleanup"),
]
NoVerify = Annotated[bool, typer.Option("--no-verify", help="Do not boot and verify the finished image.")]
