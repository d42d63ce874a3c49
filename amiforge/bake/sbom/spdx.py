"""An SBOM in SPDX, by its own library."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Any

from license_expression import ExpressionError
from spdx_tools.common.spdx_licensing import spdx_licensing
from spdx_tools.spdx.jsonschema.document_converter import DocumentConverter
from spdx_tools.spdx.model.actor import Actor, ActorType
from spdx_tools.spdx.model.checksum import Checksum, ChecksumAlgorithm
from spdx_tools.spdx.model.document import CreationInfo, Document
from spdx_tools.spdx.model.package import (
    ExternalPackageRef,
    ExternalPackageRefCategory,
    Package,
    PackagePurpose,
)
from spdx_tools.spdx.model.relationship import Relationship, RelationshipType
from spdx_tools.spdx.model.spdx_no_assertion import SpdxNoAssertion

from amiforge.bake.manifest import Manifest
from amiforge.bake.sbom.parts import Part, finished, identity, parts

_DOCUMENT, _IMAGE = "SPDXRef-DOCUMENT", "SPDXRef-image"
_PURPOSES = MappingProxyType(
    {
        "package": PackagePurpose.LIBRARY,
        "kernel": PackagePurpose.OPERATING_SYSTEM,
        "module": PackagePurpose.OTHER,
        "download": PackagePurpose.FILE,
    }
)


def spdx(made: Manifest) -> str:
    """Give the SBOM of an image as SPDX 2.3, in JSON; the same for the same manifest."""
    plain = DocumentConverter().convert(document(made))  # type: ignore[no-untyped-call]
    return json.dumps(plain, indent=2) + "\n"


def document(made: Manifest) -> Document:
    """Give it as the library's own value, for its validator."""
    every = [*parts(made)]
    created = CreationInfo(
        spdx_version="SPDX-2.3",
        spdx_id=_DOCUMENT,
        name=made.image_name,
        document_namespace=f"urn:uuid:{identity(made)}",
        creators=[Actor(ActorType.TOOL, f"amiforge-{made.amiforge}")],
        created=finished(made).replace(tzinfo=None),
    )
    return Document(
        created,
        packages=[_image(made), *map(_package, every)],
        relationships=[
            Relationship(_DOCUMENT, RelationshipType.DESCRIBES, _IMAGE),
            *(Relationship(_IMAGE, _relation(each), f"SPDXRef-{each.id}") for each in every),
        ],
    )


def _relation(part: Part) -> RelationshipType:
    return RelationshipType.GENERATED_FROM if part.kind == "download" else RelationshipType.CONTAINS


def _image(made: Manifest) -> Package:
    return Package(
        spdx_id=_IMAGE,
        name=made.image_name,
        version=made.run,
        download_location=SpdxNoAssertion(),
        files_analyzed=False,
        primary_package_purpose=PackagePurpose.OPERATING_SYSTEM,
        description=made.description,
        comment=f"Amazon Machine Image {made.image} in {made.region}, made of {made.source.ami}",
    )


def _package(part: Part) -> Package:
    return Package(
        spdx_id=f"SPDXRef-{part.id}",
        name=part.name,
        version=part.version or None,
        download_location=_location(part),
        files_analyzed=False,
        supplier=Actor(ActorType.ORGANIZATION, part.supplier) if part.supplier else None,
        checksums=[Checksum(ChecksumAlgorithm.SHA256, part.sha256)] if part.sha256 else [],
        external_references=_references(part),
        primary_package_purpose=_PURPOSES[part.kind],
        source_info=f"found in {part.place}" if part.place else None,
        **_licence(part),
    )


def _location(part: Part) -> str | SpdxNoAssertion:
    if not part.url:
        return SpdxNoAssertion()
    return f"git+{part.url}@{part.version}" if part.version else part.url


def _references(part: Part) -> list[ExternalPackageRef]:
    if not part.purl:
        return []
    return [ExternalPackageRef(ExternalPackageRefCategory.PACKAGE_MANAGER, "purl", part.purl)]


def _licence(part: Part) -> dict[str, Any]:
    """Give what the package says as an expression if it is one, and otherwise as a comment: nothing is guessed."""
    if not part.licence:
        return {}
    try:
        return {"license_declared": spdx_licensing.parse(part.licence, validate=True, strict=True)}
    except ExpressionError:
        return {"license_declared": SpdxNoAssertion(), "license_comment": f"the package says: {part.licence}"}
