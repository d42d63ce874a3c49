"""Downloads of the mirror that are no packages: the NVIDIA .run installer, the EFA tarball, the AWS CLI archive."""

from __future__ import annotations

import base64
import gzip
import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from amiforge.errors import ConfigError
from amiforge.sandbox import kmod
from amiforge.sandbox.standins import STANDINS, Strict, notice, read_toml

_EPOCH = (2026, 11, 1, 0, 0, 0)
_EXECUTABLE = 0o755

#: Modules of the NVIDIA driver: name, what it depends on.
_NVIDIA_MODULES = (
    ("nvidia", ""),
    ("nvidia-uvm", "nvidia"),
    ("nvidia-modeset", "nvidia"),
    ("nvidia-drm", "nvidia-modeset,nvidia"),
    ("nvidia-peermem", "nvidia,ib_core"),
)


class Artifact(Strict):
    """A download: where the vendor keeps it, and which versions there are."""

    kind: Literal["nvidia-run", "aws-cli", "efa"]
    versions: tuple[str, ...] = Field(min_length=1, description="oldest first")
    path: str = Field(description="host and path, with @VERSION@")
    latest: str = Field("", description="host and path under which the newest version lies as well")
    signed: bool = Field(False, description="whether the vendor keeps a detached signature beside it, as <path>.sig")


class EfaBundle(Strict):
    """Packages that one version of the EFA installer carries, by full name."""

    minimal: tuple[str, ...]
    full: tuple[str, ...]


def artifacts() -> tuple[Artifact, ...]:
    """Read all artifacts from the stand-in data."""
    return tuple(Artifact.model_validate(entry) for entry in read_toml(STANDINS / "artifacts.toml")["artifact"])


def efa_bundles() -> dict[str, EfaBundle]:
    """Read what each version of the EFA installer carries."""
    data = read_toml(STANDINS / "artifacts.toml")["efa"]
    return {version: EfaBundle.model_validate(entry) for version, entry in data.items()}


def document(artifact: Artifact, version: str, rpms: Mapping[str, Path]) -> bytes:
    """Make the bytes of one artifact.

    Args:
        artifact: what to make.
        version: one of its versions.
        rpms: built packages by full name, for installers that carry some.

    Raises:
        ConfigError: an installer should carry a package that was not built.
    """
    if artifact.kind == "nvidia-run":
        return nvidia_run(version)
    if artifact.kind == "aws-cli":
        return aws_cli(version)
    return efa_installer(version, efa_bundles()[version], rpms)


def nvidia_run(version: str) -> bytes:
    """Make a driver installer: a shell script with both kinds of modules behind it."""
    files = {"STAND-IN": notice(f"NVIDIA-Linux-x86_64-{version}.run").encode()}
    for folder, licence in (("kernel-open", "Dual MIT/GPL"), ("kernel", "NVIDIA")):
        files[f"{folder}/dkms.conf"] = f'PACKAGE_NAME="nvidia"\nPACKAGE_VERSION="{version}"\n'.encode()
        for name, depends in _NVIDIA_MODULES:
            facts = {"name": name, "version": version, "license": licence, "depends": depends}
            files[f"{folder}/{name}.ko"] = kmod.module(facts)
    for program in ("nvidia-smi", "nvidia-persistenced"):
        files[f"bin/{program}"] = _script(f"{program}.sh", version)
    return _script("nvidia_run.sh", version) + base64.encodebytes(_tar_gz(files))


def aws_cli(version: str) -> bytes:
    """Make the AWS CLI's zip archive."""
    files = {
        "aws/README.md": notice(f"AWS CLI {version}").encode(),
        "aws/install": _script("aws_install.sh", version),
        "aws/dist/aws": _script("aws.sh", version),
        "aws/dist/aws_completer": _script("aws.sh", version),
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = _mode(content) << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def efa_installer(version: str, bundle: EfaBundle, rpms: Mapping[str, Path]) -> bytes:
    """Make the EFA installer's tarball.

    Raises:
        ConfigError: it should carry a package that was not built.
    """
    missing = [name for name in (*bundle.minimal, *bundle.full) if name not in rpms]
    if missing:
        raise ConfigError(f"artifacts.toml: EFA {version} carries unknown packages: {', '.join(missing)}")
    files = {
        "STAND-IN": notice(f"aws-efa-installer-{version}").encode(),
        "efa_installer.sh": _script("efa_installer.sh", version),
        "RPMS/minimal": "".join(f"{name}\n" for name in bundle.minimal).encode(),
        "RPMS/full": "".join(f"{name}\n" for name in bundle.full).encode(),
        **{f"RPMS/{name}.rpm": rpms[name].read_bytes() for name in (*bundle.minimal, *bundle.full)},
    }
    return _tar_gz({f"aws-efa-installer/{name}": content for name, content in files.items()})


def _script(name: str, version: str) -> bytes:
    text = (STANDINS / "files" / name).read_text()
    return text.replace("@VERSION@", version).replace("@VERMAGIC_OFFSET@", str(kmod.VERMAGIC_OFFSET)).encode()


def _mode(content: bytes) -> int:
    return _EXECUTABLE if content.startswith(b"#!") else 0o644


def _tar_gz(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), _mode(content)
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), 6, mtime=0)
