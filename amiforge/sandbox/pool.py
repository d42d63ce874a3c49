"""Built packages, kept from one state of the stand-in data to the next by a digest of what each is made of."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from amiforge.sandbox import deb, rpm
from amiforge.sandbox.signing import SigningKey
from amiforge.sandbox.standins import Build


class Pool:
    """A folder of built packages, signed with one key.

    Args:
        folder: where they lie, one file a digest.
        key: signs rpm packages; a deb carries no signature of its own.
        work: an empty folder for what building needs on the way.
    """

    def __init__(self, folder: Path, key: SigningKey, work: Path) -> None:
        self._folder = folder
        self._key = key
        self._work = work

    def take(self, wanted: Iterable[Build]) -> dict[str, Path]:
        """Give where each build lies, by its full name; builds what is missing and forgets what nobody wants.

        Raises:
            SandboxUnavailable: a program that builds packages is missing.
            CommandFailed: a package could not be built.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        salt = self._key.fingerprint()
        builds = {build.name: build for build in wanted}
        places = {name: self._folder / f"{digest(build, salt)}.{build.format}" for name, build in builds.items()}
        for name, path in self._build([builds[name] for name, place in places.items() if not place.exists()]).items():
            path.rename(places[name])
        for path in set(self._folder.iterdir()) - set(places.values()):
            path.unlink()
        return places

    def _build(self, missing: list[Build]) -> dict[str, Path]:
        rpms = [build for build in missing if build.format == "rpm"]
        built = rpm.build_packages(rpms, self._work / "rpm", self._key)
        for build in missing:
            if build.format == "deb":
                built[build.name] = self._work / f"{build.name}.deb"
                deb.build_package(build, built[build.name])
        return built


def digest(build: Build, salt: str) -> str:
    """Give hex digits that stand for everything a package is made from: the data, files it copies, code, and a salt."""
    state = hashlib.sha256(salt.encode())
    for text in (
        build.format,
        *(repr(item) for item in build.tokens().items()),
        build.package.content.model_dump_json(),
    ):
        state.update(text.encode() + b"\0")
    for path, content in build.files():
        state.update(path.encode() + b"\0" + content + b"\0")
    state.update(Path(__file__).with_name(f"{build.format}.py").read_bytes())
    return state.hexdigest()[:32]
