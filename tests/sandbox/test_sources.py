"""Source images are what their vendors' are, as far as a bake can tell: real rpm, dnf, curl and modinfo say so."""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest

from amiforge.sandbox import layers
from amiforge.sandbox.folder import Folder
from amiforge.sandbox.mirror import build_mirror, digests, key_file, mirror_app, repository_folder
from amiforge.sandbox.requirements import missing_requirements
from amiforge.sandbox.sources import SourceImage, source_images

pytestmark = pytest.mark.sandbox

OLD = "6.12.103-126.191.amzn2023.x86_64"
NEW = "6.12.110-135.202.amzn2023.x86_64"

# The layer's repositories point at the running sandbox's mirror; here it is a directory. What a booted machine notes
# at its boot is the default kernel.
ENTER = """
for name in core nvidia; do
    folder=$1
    shift
    sed -i "s,^mirrorlist=.*/$name/mirrors/.*,baseurl=file:///mnt/$folder," /etc/yum.repos.d/*.repo
done
grubby --default-kernel | sed 's,/boot/vmlinuz-,,' >/run/sandbox-kernel
cd /tmp
"""


@pytest.fixture(scope="session")
def folder() -> Folder:
    folder = Folder.default()
    missing = missing_requirements(folder) if os.geteuid() == 0 else ["root"]
    if missing:
        pytest.skip("the sandbox needs " + ", ".join(missing))
    return folder


@pytest.fixture(scope="session")
def images(folder: Folder) -> list[SourceImage]:
    return source_images(folder)


@dataclass
class Shell:
    """Runs sh text over the layers of an image, with the mirror at /mnt; what it writes stays until the test ends."""

    image: SourceImage
    mirror: Path
    upper: Path

    def __call__(self, script: str) -> str:
        folders = (repository_folder(self.mirror, name).relative_to(self.mirror) for name in ("core", "nvidia"))
        enter = f"set -- {' '.join(map(str, folders))}\n{ENTER}"
        return layers.run_in(self.image.layers, self.upper, enter + script, binds={self.mirror: "/mnt"})


@pytest.fixture
def eks(folder: Folder, images: list[SourceImage], tmp_path: Path) -> Shell:
    return Shell(images[1], build_mirror(folder), tmp_path / "upper")


@pytest.fixture
def plain(folder: Folder, images: list[SourceImage], tmp_path: Path) -> Shell:
    return Shell(images[0], build_mirror(folder), tmp_path / "upper")


def test_a_second_use_makes_nothing(folder: Folder, images: list[SourceImage], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("a cached source image was made again")

    monkeypatch.setattr(subprocess, "run", refuse)
    assert source_images(folder) == images


def test_digests_are_those_of_the_documents(folder: Folder) -> None:
    mirror = build_mirror(folder)
    for url in (
        "https://efa-installer.amazonaws.com/aws-efa-installer-1.50.0.tar.gz",
        "https://awscli.amazonaws.com/awscli-exe-linux-x86_64-2.36.11.zip",
        "https://us.download.nvidia.com/tesla/580.159.03/NVIDIA-Linux-x86_64-580.159.03.run",
    ):
        content = (mirror / url.removeprefix("https://")).read_bytes()
        assert digests(folder)[url] == hashlib.sha256(content).hexdigest()


def test_signatures_beside_downloads_verify_with_the_key_at_the_vendors_address(folder: Folder, tmp_path: Path) -> None:
    mirror = build_mirror(folder)
    (tmp_path / "key.gpg").write_bytes(
        subprocess.run(
            ["gpg", "--dearmor"], input=key_file(mirror).read_bytes(), capture_output=True, check=True
        ).stdout
    )
    tarball = mirror / "efa-installer.amazonaws.com/aws-efa-installer-1.50.0.tar.gz"
    assert (tarball.parent / "aws-efa-installer.key").read_bytes() == key_file(mirror).read_bytes()
    verify = ["gpgv", "--keyring", str(tmp_path / "key.gpg"), f"{tarball}.sig", str(tarball)]
    assert subprocess.run(verify, capture_output=True, check=False).returncode == 0


def test_a_mirror_made_again_has_the_same_key(folder: Folder, tmp_path: Path) -> None:
    other = Folder(tmp_path / "other")
    key = key_file(build_mirror(other)).read_bytes()
    (other.mirror / "digests.json").unlink()
    assert key_file(build_mirror(other)).read_bytes() == key != key_file(folder.mirror).read_bytes()
    assert (other.path / "mirror-key.gpg").stat().st_mode & 0o777 == 0o600


def test_both_images_call_themselves_amazon_linux_2023(plain: Shell) -> None:
    answer = plain('. /etc/os-release; echo "$ID $VERSION_ID $PRETTY_NAME"; cat /etc/system-release; rpm -q kernel6.12')
    assert answer.splitlines() == [
        "amzn 2023 Amazon Linux 2023.9.20260914",
        "Amazon Linux release 2023.9.20260914 (Amazon Linux)",
        f"kernel6.12-{OLD}",
    ]


def test_the_eks_image_has_an_older_driver_for_its_kernel(eks: Shell) -> None:
    answer = eks(
        'uname -r; rpm -q nvidia-driver; modinfo -k "$(uname -r)" -F version nvidia; dkms status; runc --version'
    )
    assert answer.splitlines() == [
        OLD,
        "nvidia-driver-580.105.08-1.amzn2023.x86_64",
        "580.105.08",
        f"nvidia/580.105.08, {OLD}, x86_64: installed",
        "runc version 1.3.5",
    ]


def test_the_image_keeps_no_caches_and_no_traces_of_its_making(images: list[SourceImage]) -> None:
    for image in images:
        top = image.layers[0]
        assert not list((top / "var/cache").glob("dnf/*"))
        assert not list((top / "var/log").glob("*dnf*"))
        assert not (top / "run/amiforge-build").exists()
        assert not [path for path in top.parent.iterdir() if path.name != "layer"]


def test_security_updates_move_the_kernel_and_nothing_that_is_no_security_update(eks: Shell) -> None:
    answer = eks(f"""
        dnf -q -y upgrade --security >&2
        rpm -q kernel6.12 openssl tzdata
        grubby --default-kernel
        modinfo -k {NEW} -F version nvidia
        modinfo -k {NEW} -F vermagic lustre
    """)
    assert answer.splitlines() == [
        f"kernel6.12-{OLD}",
        f"kernel6.12-{NEW}",
        "openssl-3.2.2-1.amzn2023.0.8.x86_64",
        "tzdata-2026a-1.amzn2023.0.1.noarch",
        f"/boot/vmlinuz-{NEW}",
        "580.105.08",
        f"{NEW} SMP preempt mod_unload modversions",
    ]


def test_removing_a_kernel_takes_its_modules_along(eks: Shell) -> None:
    answer = eks(f"""
        dnf -q -y upgrade --security >&2
        echo {NEW} >/run/sandbox-kernel
        dnf -q -y remove kernel6.12-{OLD} kernel6.12-devel-{OLD} >&2
        ls /lib/modules /boot/vmlinuz-*
        dkms status
    """)
    assert answer.splitlines() == [
        f"/boot/vmlinuz-{NEW}",
        "",
        "/lib/modules:",
        NEW,
        f"nvidia/580.105.08, {NEW}, x86_64: installed",
    ]


def test_a_locked_kernel_stays(eks: Shell) -> None:
    answer = eks("""
        dnf -q -y versionlock add 'kernel*' >&2
        dnf -q -y upgrade >&2
        rpm -q kernel6.12 openssl
    """)
    assert answer.splitlines() == [f"kernel6.12-{OLD}", "openssl-3.2.2-1.amzn2023.0.8.x86_64"]


def test_the_driver_family_moves_to_another_version_as_one(eks: Shell) -> None:
    answer = eks("""
        v=580.159.03
        dnf -q -y install kmod-nvidia-open-dkms-$v nvidia-driver-$v nvidia-driver-cuda-$v nvidia-persistenced-$v \\
            nvidia-fabricmanager-$v nvidia-imex-$v >&2
        rpm -qa --qf '%{VERSION}\\n' 'nvidia-driver*' kmod-nvidia-open-dkms nvidia-persistenced nvidia-fabricmanager |
            sort -u
        modinfo -k "$(uname -r)" -F version nvidia
        modinfo -k "$(uname -r)" -F license nvidia
        dkms status
        nvidia-smi >/dev/null || echo "nvidia-smi: $?"
    """)
    assert answer.splitlines() == [
        "580.159.03",
        "580.159.03",
        "Dual MIT/GPL",
        f"nvidia/580.159.03, {OLD}, x86_64: installed",
        "nvidia-smi: 9",
    ]


def test_the_run_installer_replaces_the_driver(eks: Shell) -> None:
    answer = eks("""
        sh /mnt/us.download.nvidia.com/tesla/595.91.07/NVIDIA-Linux-x86_64-595.91.07.run \\
            --silent --dkms --disable-nouveau -m=kernel-open >&2
        dkms status
        modinfo -k "$(uname -r)" -F version nvidia
        tail -n 1 /var/log/nvidia-installer.log
    """)
    assert answer.splitlines()[:2] == [f"nvidia/595.91.07, {OLD}, x86_64: installed", "595.91.07"]
    assert "(version: 595.91.07) is now complete" in answer


def test_the_run_installer_fails_without_headers_and_says_so_in_its_log(plain: Shell) -> None:
    answer = plain("""
        sh /mnt/us.download.nvidia.com/tesla/580.159.03/NVIDIA-Linux-x86_64-580.159.03.run --silent >&2 || echo "$?"
        grep -c 'Unable to find the kernel source tree' /var/log/nvidia-installer.log
    """)
    assert answer.split() == ["1", "1"]


EFA = "tar -xzf /mnt/efa-installer.amazonaws.com/aws-efa-installer-1.50.0.tar.gz; cd aws-efa-installer"


def test_the_efa_installer_installs_the_minimal_set(eks: Shell) -> None:
    answer = eks(f"""
        {EFA}
        ./efa_installer.sh -y --minimal >&2
        head -n 1 /opt/amazon/efa_installed_packages
        ls /opt/amazon
        modinfo -k "$(uname -r)" -F version efa
        modinfo -k "$(uname -r)" -F filename efa
        dkms status | grep -c efa
    """)
    assert answer.splitlines() == [
        "# EFA installer version: 1.50.0",
        "efa_installed_packages",
        "3.3.0g",
        f"/lib/modules/{OLD}/extra/efa.ko",
        "2",
    ]


def test_the_efa_installer_fetches_the_headers_it_lacks_and_installs_everything(plain: Shell) -> None:
    answer = plain(
        f"{EFA}\n./efa_installer.sh -y -n >&2\nrpm -q kernel6.12-devel\n/opt/amazon/efa/bin/fi_info --version"
    )
    assert answer.splitlines()[:2] == [f"kernel6.12-devel-{OLD}", "fi_info: 2.6.0amzn1.0"]


def test_the_efa_installer_refuses_an_option_it_does_not_know(eks: Shell) -> None:
    assert eks(f"{EFA}\n./efa_installer.sh -y --fast >&2 || echo $?").split() == ["1"]


def test_the_aws_cli_installs_and_refuses_to_do_so_twice_without_update(plain: Shell) -> None:
    answer = plain("""
        unzip -q /mnt/awscli.amazonaws.com/awscli-exe-linux-x86_64-2.33.5.zip -d old
        unzip -q /mnt/awscli.amazonaws.com/awscli-exe-linux-x86_64-2.36.11.zip -d new
        old/aws/install >&2
        new/aws/install >&2 || echo "refused: $?"
        new/aws/install --update >&2
        /usr/local/bin/aws --version
        readlink /usr/local/aws-cli/v2/current
    """)
    assert answer.splitlines() == [
        "refused: 1",
        f"aws-cli/2.36.11 Python/3.13.7 Linux/{OLD} exe/x86_64.amzn.2023",
        "/usr/local/aws-cli/v2/2.36.11",
    ]


def test_every_package_of_the_mirror_is_signed_with_the_key_that_the_image_trusts(plain: Shell) -> None:
    answer = plain("find /mnt -name '*.rpm' -exec rpm -K '{}' + | sed 's/.*: //' | sort | uniq -c")
    count, verdict = answer.strip().split(maxsplit=1)
    assert int(count) > 100
    assert verdict == "digests signatures OK"


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Silent(WSGIRequestHandler):
    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@pytest.fixture
def fetch(folder: Folder) -> Iterator[Callable[..., bytes]]:
    build_mirror(folder)
    with make_server("127.0.0.1", 0, mirror_app(folder), Server, Silent) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def fetch(path: str, *options: str) -> bytes:
            url = f"http://127.0.0.1:{server.server_port}/{path}"
            return subprocess.run(["curl", "-sSf", *options, url], capture_output=True, check=True).stdout

        yield fetch
        server.shutdown()


def test_curl_fetches_and_resumes_from_the_mirror(folder: Folder, fetch: Callable[..., bytes]) -> None:
    path = "awscli.amazonaws.com/awscli-exe-linux-x86_64.zip"
    whole = fetch(path)
    assert hashlib.sha256(whole).hexdigest() == digests(folder)[f"https://{path}"]
    assert fetch(path, "--range", "0-99") + fetch(path, "--range", "100-") == whole
