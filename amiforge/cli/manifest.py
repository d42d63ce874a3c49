"""The manifest that a command line names: a file, a running machine, an image, a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from amiforge.errors import ConfigError

if TYPE_CHECKING:
    from amiforge.bake.manifest import Manifest
    from amiforge.cli.config import Config


def named_manifest(name: str, config: Config, key: Path | None) -> Manifest:
    """Give the manifest in a file, on the machine `USER@ADDRESS` (or `local://`), of an image or of a run.

    Raises:
        ConfigError: there is none, or it cannot be read.
        HostError: the machine cannot be reached or used.
    """
    from amiforge.bake.manifests import find_manifest, load_manifest

    if Path(name).is_file():
        return load_manifest(Path(name))
    if "@" in name or "://" in name:
        return _on_machine(name, config, key)
    if name.endswith(".json") or "/" in name:
        return load_manifest(Path(name))
    return find_manifest(Path(config.bake.runs), name)


def _on_machine(address: str, config: Config, key: Path | None) -> Manifest:
    from amiforge.bake.manifests import read_manifest
    from amiforge.bake.release import MANIFEST
    from amiforge.cli.machine import connected
    from amiforge.shell import argv

    with connected(address, key, config) as machine:
        output = machine.run(argv("cat", "--", MANIFEST).text(), timeout=config.engine.query_timeout)
    if output.status:
        raise ConfigError(
            f"{address} has no {MANIFEST}: its image is not of amiforge's making, or of an old version's",
            said=output.stderr.decode("utf-8", "replace").strip(),
        )
    return read_manifest(output.stdout.decode("utf-8", "replace"), f"{MANIFEST} on {address}")
