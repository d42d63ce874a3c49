"""Arguments and options that more than one command takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def complete_recipe(incomplete: str) -> list[str]:
    """Give the recipes whose name starts so, for shell completion."""
    from amiforge.recipes import names

    return [name for name in names() if name.startswith(incomplete)]


def complete_os(incomplete: str) -> list[str]:
    """Give the operating systems whose name starts so."""
    from amiforge.systems import SYSTEMS

    return [name for name in ("all", *(os.name for os in SYSTEMS)) if name.startswith(incomplete)]


def complete_versions(incomplete: str) -> list[str]:
    """Give the version sets whose name starts so."""
    from amiforge.recipes.version_sets import VERSION_SETS

    return [each.name for each in VERSION_SETS if each.name.startswith(incomplete)]


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
Os = Annotated[
    list[str] | None,
    typer.Option(
        "--os",
        metavar="NAME|all",
        help="Operating system, or all that a recipe has; repeatable.",
        autocompletion=complete_os,
    ),
]
Arch = Annotated[
    list[str] | None,
    typer.Option("--arch", metavar="x86_64|arm64|all", help="Architecture, or all that a recipe has; repeatable."),
]
Versions = Annotated[
    str | None,
    typer.Option(
        "--versions", metavar="NAME", help="Versions that go together, by name.", autocompletion=complete_versions
    ),
]
Instances = Annotated[
    list[str] | None,
    typer.Option("--instances", metavar="FAMILY,…", help="Instance families the image is for, as p5,g6e."),
]
Allow = Annotated[
    list[str] | None,
    typer.Option("--allow", metavar="RULE", help="Compatibility rule that may be broken; repeatable."),
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
Force = Annotated[bool, typer.Option("--force", "-f", help="Bake although the very image is there already.")]
MaxAge = Annotated[
    float | None,
    typer.Option("--max-age", metavar="DAYS", help="Bake anew what is older.", show_default="[bake]"),
]
NoVerify = Annotated[bool, typer.Option("--no-verify", help="Do not boot and verify the finished image.")]
