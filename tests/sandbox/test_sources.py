"""Source images are what their vendors' are, as far as a bake can tell: real rpm, dnf, curl and modinfo say so."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest

from amiforge.errors import CommandFailed
from amiforge.sandbox import layers
from amiforge.sandbox.catalog import Catalog, Image, read_catalog
from amiforge.sandbox.folder import Folder
from amiforge.sandbox.mirror import build_mirror, digests, fingerprints, key_file, mirror_app
from amiforge.sandbox.requirements import missing_requirements
from amiforge.sandbox.sources import SourceImage, Sources

pytestmark = pytest.mark.sandbox

OLD = "6.12.103-126.191.amzn2023.x86_64"
NEW = "6.12.110-135.202.amzn2023.x86_64"

UBUNTU_OLD = "6.17.0-1007-aws"
UBUNTU_NEW = "6.17.0-1010-aws"

# The layer's repositories point at the running sandbox's mirror; here it is a directory.
ENTER = """
if [ -d /etc/yum.repos.d ]; then
    for name in core nvidia; do
        folder=$1
        shift
        sed -i "s,^mirrorlist=.*/$name/mirrors/.*,baseurl=file:///mnt/$folder," /etc/yum.repos.d/*.repo
    done
else
    sed -i 's,http://[0-9.:]*/,file:/mnt/,' /etc/apt/sources.list /etc/apt/sources.list.d/*
    apt-get -qq -o APT::Sandbox::User=root update
fi
/usr/lib/sandbox/boot-kernel
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
def sources(folder: Folder) -> Sources:
    return Sources(folder)


@dataclass
class Shell:
    """Runs sh text over the layers of an image, with the mirror at /mnt; what it writes stays until the test ends."""

    image: SourceImage
    mirror: Path
    upper: Path

    def __call__(self, script: str) -> str:
        folders = " ".join(read_catalog().repository(name).folder for name in ("core", "nvidia"))
        enter = f"set -- {folders}\n{ENTER}"
        return layers.run_in(self.image.layers, self.upper, enter + script, binds={self.mirror: "/mnt"})


Open = Callable[[str], Shell]


@pytest.fixture
def open_image(folder: Folder, sources: Sources, tmp_path: Path) -> Open:
    def open_image(start: str) -> Shell:
        image = next(image for image in sources.images if image.data.name.startswith(start))
        sources.make(image.layers)
        return Shell(image, build_mirror(folder), tmp_path / "upper")

    return open_image


@pytest.fixture
def eks(open_image: Open) -> Shell:
    return open_image("amazon-eks-node-al2023-x86_64-nvidia-1.34-")


@pytest.fixture
def plain(open_image: Open) -> Shell:
    return open_image("al2023-ami-2023")


@pytest.fixture
def noble(open_image: Open) -> Shell:
    return open_image("ubuntu/images/hvm-ssd-gp3/ubuntu-noble")


def test_a_second_use_makes_nothing(
    folder: Folder, sources: Sources, plain: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("a cached source image was made again")

    monkeypatch.setattr(subprocess, "run", refuse)
    again = Sources(folder)
    again.make(plain.image.layers)
    assert again.images == sources.images


@pytest.fixture
def added(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Sources]:
    """Give the source images with one more, over the plain one, that installs nothing."""

    def added(**fields: object) -> Sources:
        data = read_catalog()
        base = data.images[0]
        values = {"name": "added", "base": base.name, "system": base.system, "description": "d", "owner_id": "1"}
        image = Image.model_validate({**values, "creation_date": base.creation_date, **fields})
        changed = Catalog(data.packages, data.repositories, data.artifacts, (*data.images, image))
        monkeypatch.setattr("amiforge.sandbox.sources.read_catalog", lambda: changed)
        return Sources(sources.folder)

    return added


def test_two_who_want_an_image_at_once_make_it_once(added: Callable[..., Sources]) -> None:
    sources = added(script="date +%N >/made; sleep 0.5; touch /etc/late", user="me")
    image = sources.images[-1]
    shutil.rmtree(image.layers[0].parent, ignore_errors=True)
    others = [threading.Thread(target=sources.make, args=(image.layers,)) for _ in range(2)]
    for other in others:
        other.start()
    made: set[str] = set()
    while any(other.is_alive() for other in others) or not made:
        if image.layers[0].exists():
            assert (image.layers[0] / "etc/late").exists()
            made.add((image.layers[0] / "made").read_text())
    assert len(made) == 1
    assert "name: me}" in (image.layers[0] / "etc/cloud/cloud.cfg.d/20-user.cfg").read_text()
    shutil.rmtree(image.layers[0].parent)


def test_an_image_that_cannot_be_made_says_why_and_leaves_nothing(added: Callable[..., Sources]) -> None:
    sources = added(script="echo 'no such luck' >&2; exit 3")
    image = sources.images[-1]
    with pytest.raises(CommandFailed, match="cannot make the source image added: no such luck"):
        sources.make(image.layers)
    assert not image.layers[0].parent.exists()


def test_every_key_of_the_mirror_has_the_fingerprint_that_it_shows(folder: Folder) -> None:
    found = fingerprints(folder)
    assert found.keys() >= {f"https://{path}" for path in read_catalog().key_paths}
    for url, fingerprint in found.items():
        key = build_mirror(folder) / url.removeprefix("https://").partition("?")[0]
        shown = subprocess.run(
            ["gpg", "--show-keys", "--with-colons"], input=key.read_bytes(), capture_output=True, check=True
        ).stdout.decode()
        assert f"fpr:::::::::{fingerprint}:" in shown


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


def test_a_mirror_made_again_has_the_same_key(folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amiforge.sandbox.mirror.read_catalog", lambda: Catalog((), (), (), ()))
    other = Folder(tmp_path / "other")
    key = key_file(build_mirror(other)).read_bytes()
    (other.mirror / "index.json").unlink()
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


@pytest.mark.parametrize("name", ["plain", "eks", "noble"])
def test_the_image_keeps_no_caches_and_no_traces_of_its_making(name: str, request: pytest.FixtureRequest) -> None:
    top = request.getfixturevalue(name).image.layers[0]
    assert not [path for place in ("dnf", "apt") for path in (top / "var/cache").glob(f"{place}/*")]
    assert not [*(top / "var/log").glob("*dnf*"), *(top / "var/log").glob("*.log"), *(top / "var/log").glob("apt")]
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


def test_the_ubuntu_image_calls_itself_ubuntu_with_an_older_kernel(noble: Shell) -> None:
    answer = noble('. /etc/os-release; echo "$ID $VERSION_ID"; lsb_release -cs; uname -r; readlink /boot/vmlinuz')
    assert answer.splitlines() == ["ubuntu 24.04", "noble", UBUNTU_OLD, f"vmlinuz-{UBUNTU_OLD}"]


def test_dkms_follows_an_ubuntu_kernel_from_the_security_pocket(noble: Shell) -> None:
    answer = noble(
        """
        apt-get -qq -y install dkms >/dev/null
        mkdir /usr/src/x-1
        printf 'PACKAGE_NAME="x"\n' >/usr/src/x-1/dkms.conf
        cp "$(modinfo -k "$(uname -r)" -F filename efa)" /usr/src/x-1/x.ko
        dkms install -m x -v 1 >&2
        apt-get -qq -y install --only-upgrade linux-aws >/dev/null
        dkms status
        ls /lib/modules/*/updates/dkms/x.ko
        modinfo -k @NEW@ -F vermagic x
        cat /run/reboot-required.pkgs
        apt-get -qq -y purge linux-image-@OLD@ linux-modules-@OLD@ linux-headers-@OLD@ >/dev/null
        dkms status
        ls -d /lib/modules/* /boot/vmlinuz*
    """.replace("@NEW@", UBUNTU_NEW).replace("@OLD@", UBUNTU_OLD)
    )
    assert answer.splitlines() == [
        f"x/1, {UBUNTU_OLD}, x86_64: installed",
        f"x/1, {UBUNTU_NEW}, x86_64: installed",
        f"/lib/modules/{UBUNTU_OLD}/updates/dkms/x.ko",
        f"/lib/modules/{UBUNTU_NEW}/updates/dkms/x.ko",
        f"{UBUNTU_NEW} SMP preempt mod_unload modversions",
        f"linux-image-{UBUNTU_NEW}",
        f"x/1, {UBUNTU_NEW}, x86_64: installed",
        "/boot/vmlinuz",
        f"/boot/vmlinuz-{UBUNTU_NEW}",
        f"/lib/modules/{UBUNTU_NEW}",
    ]


def test_apt_refuses_an_archive_that_another_key_signed(noble: Shell, tmp_path: Path) -> None:
    home = tmp_path / "gpg"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet"]
    subprocess.run([*gpg, "--passphrase", "", "--quick-generate-key", "stranger"], capture_output=True, check=True)
    stranger = subprocess.run([*gpg, "--armor", "--export"], capture_output=True, text=True, check=True).stdout
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)
    answer = noble(
        f"""
        gpg --batch --yes --dearmor -o /usr/share/keyrings/ubuntu-archive-keyring.gpg <<'END'\n{stranger}END
        apt-get -o APT::Sandbox::User=root -o APT::Update::Error-Mode=any update 2>&1 || echo "refused: $?"
    """.replace("\\n", "\n")
    )
    assert "NO_PUBKEY" in answer
    assert answer.splitlines()[-1] == "refused: 100"


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
