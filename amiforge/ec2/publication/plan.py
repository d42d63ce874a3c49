"""What publishing an image means, as a value: which regions must have what."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from amiforge.ec2.publication.regional_image import RegionalImage
from amiforge.ec2.tags import ARCH, COPY_OF, OS, RECIPE, STATE
from amiforge.errors import ConfigError
from amiforge.settings import PublishSettings

# Source: Systems Manager API reference, PutParameter, parameter Name.
_PATH = re.compile(r"(/[A-Za-z0-9_.-]+){1,14}")
#: States in which an image may be published, or published again.
_GOOD = frozenset({"verified", "published", "superseded"})
_FIELDS = {"recipe": RECIPE, "os": OS, "arch": ARCH}


@dataclass(frozen=True, slots=True)
class Publication:
    """An image, and what is to become of it.

    Attributes:
        image: the image in the region where it was baked.
        settings: what is wanted.
        pointer: path of the parameters `current` and `previous` that are to name it; empty for none.
        now: when it is published; all dates count from here.
    """

    image: RegionalImage
    settings: PublishSettings
    pointer: str
    now: datetime

    @property
    def regions(self) -> tuple[str, ...]:
        """Every region that must have it, its own first."""
        return tuple(dict.fromkeys((self.image.region, *self.settings.regions)))

    @property
    def principals(self) -> tuple[str, ...]:
        """Whom it is shared with: accounts, then ARNs of organizations and organizational units."""
        wanted = self.settings
        return (*wanted.accounts, *wanted.organizations, *wanted.organizational_units)

    def after(self, days: float) -> datetime:
        """Give the time that lies so many days ahead."""
        return self.now + timedelta(days=days)

    @property
    def overtaken_until(self) -> datetime | None:
        """When what was current before is deprecated; None for never."""
        return self.after(self.settings.supersede_days) if self.settings.supersede_days else None

    def steps(self, region: str) -> Iterator[str]:
        """Say what a region must have, in the order in which it comes about."""
        wanted, key = self.settings, self.settings.kms_keys.get(region)
        if region != self.image.region:
            yield "a copy" + (f" encrypted with {key}" if key else "")
        yield "IMDSv2 required, tags on image and snapshots"
        if wanted.deprecate_days:
            yield f"deprecated from {self.after(wanted.deprecate_days):%Y-%m-%d}"
        if wanted.protect:
            yield "protected from being deregistered"
        if self.principals:
            yield f"shared with {', '.join(self.principals)}"
        if self.pointer:
            yield f"named by {self.pointer}/current"


def plan(
    image: RegionalImage, settings: PublishSettings, now: datetime | None = None, *, unverified: bool = False
) -> Publication:
    """Say what publishing an image means.

    Args:
        image: in the region where it was baked.
        settings: what is wanted.
        now: when.
        unverified: an image that nobody has booted will do.

    Raises:
        ConfigError: the image must not be published, or the settings contradict each other.
    """
    _refuse_image(image, unverified=unverified)
    path = refuse_contradictions(settings, image.region, image.tags)
    return Publication(image, settings, path, now or datetime.now(UTC))


def refuse_contradictions(settings: PublishSettings, region: str, tags: Mapping[str, str]) -> str:
    """Make sure that the settings go together, before there is any image, and give the path of the pointer.

    Args:
        settings: what is wanted.
        region: where the image is baked.
        tags: those of the image that say what it is.

    Raises:
        ConfigError: they do not.
    """
    if region in settings.kms_keys:
        raise ConfigError(
            f"publish.kms_keys has a key for {region}, where the image is baked and nothing is copied",
            fix="bake it with builder.kms_key",
        )
    if strange := sorted(set(settings.kms_keys) - set(settings.regions)):
        raise ConfigError(
            f"publish.kms_keys has a key for {strange[0]}, where no copy is made", fix="add it to publish.regions"
        )
    return pointer_path(settings, tags)


def pointer_path(settings: PublishSettings, tags: Mapping[str, str]) -> str:
    """Fill in the path of an image's pointer from the image's tags.

    Raises:
        ConfigError: the template names an unknown field, the image lacks the tag for one, or what comes of it is no
            name of a parameter.
    """
    fields = {**{name: tags.get(tag, "") for name, tag in _FIELDS.items()}, "channel": settings.channel}
    for _, name, _, _ in string.Formatter().parse(settings.pointer):
        if name is not None and name not in fields:
            raise ConfigError(
                f"publish.pointer: there is no field {{{name}}}", fields=", ".join(f"{{{each}}}" for each in fields)
            )
        if name is not None and not fields[name]:
            raise ConfigError(f"publish.pointer needs {{{name}}}, and the image has no tag {_FIELDS[name]}")
    path = settings.pointer.format(**fields)
    if path and (not _PATH.fullmatch(path) or path.startswith(("/aws", "/ssm"))):
        raise ConfigError(
            f"publish.pointer gives {path!r}, which is no name of a parameter",
            fix="use letters, digits, _ . - in up to 14 parts divided by /, and begin with neither /aws nor /ssm",
        )
    return path


def _refuse_image(image: RegionalImage, *, unverified: bool) -> None:
    where = f"{image.id} in {image.region}"
    if image.tags.get(COPY_OF):
        raise ConfigError(f"{where} is a copy", fix=f"publish what it was copied from: {image.tags[COPY_OF]}")
    if image.state != "available":
        raise ConfigError(f"{where} is {image.state}", fix="publish images that are available")
    if image.stage == "unverified" and not unverified:
        raise ConfigError(
            f"{where} is unverified: no instance of it was ever booted",
            fix="verify it (`amiforge verify RECIPE --ami`, or resume its bake), or say --unverified",
        )
    if image.stage not in _GOOD | {"unverified"}:
        said = f"{STATE} is {image.stage}" if image.stage else f"it has no tag {STATE}"
        raise ConfigError(f"{where} is not proven: {said}", fix="publish images that a bake has verified")
