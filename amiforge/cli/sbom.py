"""`amiforge sbom`: a software bill of materials of an image."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from amiforge.cli.options import ConfigFile, KeyFile
from amiforge.errors import ConfigError

Image = Annotated[
    str,
    typer.Argument(
        metavar="IMAGE", help="AMI, run, manifest's file, or USER@ADDRESS of an instance.", show_default=False
    ),
]
Format = Annotated[Literal["cyclonedx", "spdx"], typer.Option("--format", help="CycloneDX 1.6 or SPDX 2.3, in JSON.")]
Output = Annotated[
    Path | None, typer.Option("--output", metavar="FILE", help="Where to write it; otherwise it is printed.")
]


def sbom(
    image: Image,
    form: Format = "cyclonedx",
    output: Output = None,
    key: KeyFile = None,
    config: ConfigFile = None,
) -> None:
    """Say what is on an image, for scanners and auditors: packages, kernel, modules, downloads. The same each time."""
    from amiforge.cli.config import load
    from amiforge.cli.manifest import named_manifest

    try:
        from amiforge.bake import sbom as formats
    except ImportError as error:
        raise ConfigError(
            "an SBOM is made by libraries that are not installed",
            missing=str(error.name),
            fix="pip install 'amiforge[sbom]'",
        ) from None
    text = getattr(formats, form)(named_manifest(image, load(config), key))
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{output} cannot be written: {error}", fix="name another --output") from None
