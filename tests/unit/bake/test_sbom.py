from __future__ import annotations

import json
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from amiforge.bake.inventory import Inventory, Package
from amiforge.bake.manifest import Artifact, Manifest
from amiforge.bake.sbom import cyclonedx, spdx
from amiforge.bake.sbom.parts import purl
from tests.unit.bake.manifests import SHA, gpu, rpm

EXTRA = (
    rpm("jq", "1.7-1", licence="MIT AND ICU"),
    rpm("bash", "5.2-1", licence="GPLv3+ and MIT"),
    rpm("gpg-pubkey", "d832c631-6515c85e", arch="", licence="pubkey"),
    Package(
        kind="deb", name="libstdc++6", version="1:14.2.0-4ubuntu2~24.04", arch="amd64", licence="GPL-3+ and LGPL-2+"
    ),
    Package(
        kind="pip", name="Torch_NeuronX", version="2.9.0+cpu", licence="BSD-3-Clause", place="/opt/a/site-packages"
    ),
    Package(
        kind="pip", name="Torch_NeuronX", version="2.9.0+cpu", licence="BSD-3-Clause", place="/opt/b/site-packages"
    ),
)
MADE = gpu(extra=EXTRA)
MADE = MADE.model_copy(
    update={
        "artifacts": (
            *MADE.artifacts,
            Artifact(kind="checkout", url="https://github.com/NVIDIA/nccl", digest="0f" * 20),
        ),
        "inventory": MADE.inventory.model_copy(update={"kernel_sha256": "ab" * 32}),
    }
)


def by_name(document: str, key: str) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in json.loads(document)[key]}


@pytest.mark.parametrize("made", [MADE, MADE.model_copy(update={"inventory": Inventory(kernel="6.12.1"), "image": ""})])
def test_both_formats_are_valid_by_their_own_libraries(made: Manifest) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(cyclonedx(made)) is None
    document = JsonLikeDictParser().parse(json.loads(spdx(made)))  # type: ignore[no-untyped-call]
    assert validate_full_spdx_document(document) == []


def test_the_same_manifest_gives_the_same_document_and_another_image_another_serial() -> None:
    assert (cyclonedx(MADE), spdx(MADE)) == (cyclonedx(MADE), spdx(MADE))
    other = MADE.model_copy(update={"image": "ami-0b"})
    assert json.loads(cyclonedx(MADE))["serialNumber"] != json.loads(cyclonedx(other))["serialNumber"]
    assert json.loads(cyclonedx(MADE))["metadata"]["timestamp"].startswith("2026-11-01T00:20:00")
    assert json.loads(spdx(MADE))["creationInfo"]["created"] == "2026-11-01T00:20:00Z"


@pytest.mark.parametrize(
    ("package", "system", "wanted"),
    [
        (
            rpm("nvidia-driver", "3:580.105.08-1.amzn2023"),
            ("amzn", "2023"),
            "pkg:rpm/amzn/nvidia-driver@580.105.08-1.amzn2023?arch=x86_64&distro=amzn-2023&epoch=3",
        ),
        (rpm("jq", "1.7-1", arch=""), ("amzn", "2"), "pkg:rpm/amzn/jq@1.7-1?distro=amzn-2"),
        (
            EXTRA[3],
            ("ubuntu", "24.04"),
            "pkg:deb/ubuntu/libstdc%2B%2B6@1:14.2.0-4ubuntu2~24.04?arch=amd64&distro=ubuntu-24.04",
        ),
        (EXTRA[4], ("ubuntu", "24.04"), "pkg:pypi/torch-neuronx@2.9.0%2Bcpu"),
    ],
)
def test_package_urls_are_as_their_specification_wants_them(
    package: Package, system: tuple[str, str], wanted: str
) -> None:
    assert purl(package, Inventory(os_id=system[0], os_version=system[1])) == wanted


def test_the_image_is_the_root_of_all_that_is_on_it() -> None:
    document = json.loads(cyclonedx(MADE))
    assert document["metadata"]["component"]["name"] == MADE.image_name
    (root,) = [each for each in document["dependencies"] if each["ref"] == "image"]
    assert len(root["dependsOn"]) == len(document["components"])
    relations = json.loads(spdx(MADE))["relationships"]
    kinds = [each["relationshipType"] for each in relations]
    assert (kinds.count("DESCRIBES"), kinds.count("GENERATED_FROM")) == (1, 2)


def test_downloads_and_the_kernel_bear_their_digests() -> None:
    tarball = "aws-efa-installer-1.44.0.tar.gz"
    components, packages = by_name(cyclonedx(MADE), "components"), by_name(spdx(MADE), "packages")
    assert components[tarball]["hashes"] == [{"alg": "SHA-256", "content": SHA}]
    assert (
        components["linux"]["hashes"][0]["content"] == packages["linux"]["checksums"][0]["checksumValue"] == "ab" * 32
    )
    assert packages[tarball]["downloadLocation"] == f"https://efa-installer.amazonaws.com/{tarball}"
    assert packages["nccl"]["downloadLocation"] == f"git+https://github.com/NVIDIA/nccl@{'0f' * 20}"


def test_licences_are_expressions_where_they_are_and_words_where_not() -> None:
    components, packages = by_name(cyclonedx(MADE), "components"), by_name(spdx(MADE), "packages")
    assert components["jq"]["licenses"] == [{"expression": "MIT AND ICU"}]
    assert components["bash"]["licenses"] == [{"license": {"name": "GPLv3+ and MIT"}}]
    assert packages["jq"]["licenseDeclared"] == "MIT AND ICU"
    assert packages["bash"]["licenseDeclared"] == "NOASSERTION"
    assert packages["bash"]["licenseComments"] == "the package says: GPLv3+ and MIT"
