"""A difference between two images, as a value."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Change(BaseModel):
    """One thing that is different; empty is what is not there."""

    model_config = ConfigDict(frozen=True)

    name: str
    before: str = ""
    after: str = ""


class Moved(BaseModel):
    """One piece of software that went from one version to another, with everything that only went along.

    Attributes:
        task: empty for what no task is about.
        packages: names; of those whose name bears the version, the new one. Likewise `modules` and `downloads`.
    """

    model_config = ConfigDict(frozen=True)

    title: str
    before: str
    after: str
    task: str = ""
    packages: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    downloads: tuple[str, ...] = ()


class FileChange(BaseModel):
    """A file that is different; digests are empty where it is not there, `diff` where its text is long or not known."""

    model_config = ConfigDict(frozen=True)

    path: str
    before: str = ""
    after: str = ""
    diff: str = ""


class Difference(BaseModel):
    """What is different between two images. What belongs to a component that moved is named there, and nowhere else.

    Attributes:
        before: what the first one is, in a line; `after` likewise.
        components: software by what people call it, and the kernel.
        origin: recipe, operating system, source image, commit, and amiforge itself.
        packages: those in both, together with others that went from the same version to the same version.
        added: packages, with their versions; `removed` likewise.
        units: of systemd.
    """

    model_config = ConfigDict(frozen=True)

    before: str
    after: str
    components: tuple[Moved, ...] = ()
    origin: tuple[Change, ...] = ()
    options: tuple[Change, ...] = ()
    packages: tuple[Moved, ...] = ()
    added: tuple[Change, ...] = ()
    removed: tuple[Change, ...] = ()
    modules: tuple[Change, ...] = ()
    repositories: tuple[Change, ...] = ()
    downloads: tuple[Change, ...] = ()
    units: tuple[Change, ...] = ()
    files: tuple[FileChange, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether the images are the same, as far as manifests tell."""
        return not any(getattr(self, name) for name in type(self).model_fields if name not in {"before", "after"})
