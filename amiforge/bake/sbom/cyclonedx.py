"""An SBOM in CycloneDX, by its own library."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import MappingProxyType

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.contact import OrganizationalEntity
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from amiforge.bake.manifest import Manifest
from amiforge.bake.sbom.parts import Part, finished, identity, parts

_TYPES = MappingProxyType(
    {
        "package": ComponentType.LIBRARY,
        "kernel": ComponentType.OPERATING_SYSTEM,
        "module": ComponentType.DEVICE_DRIVER,
        "download": ComponentType.FILE,
    }
)


def cyclonedx(made: Manifest) -> str:
    """Give the SBOM of an image as CycloneDX 1.6, in JSON; the same for the same manifest."""
    image = _image(made)
    bom = Bom(
        components=[_component(each) for each in parts(made)],
        serial_number=identity(made),
        metadata=BomMetaData(
            timestamp=finished(made),
            component=image,
            tools=ToolRepository(
                components=[Component(name="amiforge", version=made.amiforge, type=ComponentType.APPLICATION)]
            ),
        ),
    )
    bom.register_dependency(image, bom.components)
    return make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2) + "\n"


def _image(made: Manifest) -> Component:
    said = {
        "image": made.image,
        "run": made.run,
        "region": made.region,
        "recipe": made.recipe,
        "os": made.os,
        "architecture": made.architecture,
        "source": made.source.ami,
        "commit": made.commit,
    }
    return Component(
        name=made.image_name,
        version=made.run,
        type=ComponentType.OPERATING_SYSTEM,
        bom_ref="image",
        description=made.description,
        properties=_properties(said.items()),
    )


def _component(part: Part) -> Component:
    return Component(
        name=part.name,
        version=part.version or None,
        type=_TYPES[part.kind],
        bom_ref=part.id,
        purl=PackageURL.from_string(part.purl) if part.purl else None,
        licenses=[LicenseFactory().make_from_string(part.licence)] if part.licence else (),
        supplier=OrganizationalEntity(name=part.supplier) if part.supplier else None,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=part.sha256)] if part.sha256 else (),
        external_references=[*_reference(part)],
        properties=_properties([("place", part.place)]),
    )


def _reference(part: Part) -> Iterator[ExternalReference]:
    if part.url:
        kind = ExternalReferenceType.VCS if part.version else ExternalReferenceType.DISTRIBUTION
        yield ExternalReference(type=kind, url=XsUri(part.url))


def _properties(said: Iterable[tuple[str, str]]) -> list[Property]:
    return [Property(name=f"amiforge:{name}", value=value) for name, value in said if value]
