"""Everything of which the code knows nothing can be fetched from the mirror, and is recorded as what the mirror has."""

from __future__ import annotations

from pathlib import Path

import pytest

from amiforge import recipes
from amiforge.engine.lockfile import Lockfile
from amiforge.recipes.lock import lock
from amiforge.recipes.supply import downloads
from amiforge.sandbox.endpoint import Endpoint
from amiforge.sandbox.folder import Folder
from amiforge.sandbox.mirror import digests, fingerprints
from amiforge.systems.trust import Trust

pytestmark = pytest.mark.sandbox


def test_every_recipe_on_every_system_can_be_locked(endpoint: Endpoint, own_folder: Folder, tmp_path: Path) -> None:
    wanted = {
        download: None
        for name in recipes.names()
        for source in recipes.find(name).sources
        if source.architecture == "x86_64"
        for download in downloads(recipes.find(name).on(source.os, source.architecture))
    }
    lockfile = Lockfile(tmp_path / "amiforge.lock")
    entries = list(lock(wanted, lockfile, mirror=endpoint.mirror_url))
    assert {entry.status for entry in entries} == {"known", "added"}
    trust, served = lockfile.trust(), Trust(digests(own_folder), fingerprints(own_folder))
    assert trust.digests.items() <= served.digests.items()
    assert trust.fingerprints.items() <= served.fingerprints.items()
    assert {entry.status for entry in lock(wanted, lockfile, mirror=endpoint.mirror_url)} == {"known", "recorded"}
