"""EFA on machines that really boot: every release and extent follows every other, and nothing else goes with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from amiforge.ec2.source_image import SourceImage, al2023_image, ubuntu_image
from amiforge.sandbox.folder import Folder
from amiforge.tasks.aws_efa import AwsEfa
from tests.sandbox.bench import launched
from tests.sandbox.cloud import Cloud

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]

PATH = (
    AwsEfa(version="1.51.0"),
    AwsEfa(version="1.50.0"),
    AwsEfa(version="1.50.0", mpi="openmpi5"),
    AwsEfa(version="1.49.0", minimal=True),
    AwsEfa(version="1.51.0"),
)

#: Something of somebody else's that needs what the installer brings, and would go with it.
DEPENDENT = {
    "al2023": """
        mkdir -p /tmp/rpm && cd /tmp/rpm
        printf 'Name: dependent\\nVersion: 1\\nRelease: 1\\nSummary: -\\nLicense: -\\nBuildArch: noarch\\n' >a.spec
        printf 'Requires: libibumad\\n%%description\\n-\\n%%files\\n' >>a.spec
        rpmbuild --quiet -bb --define '_topdir /tmp/rpm' a.spec && rpm -i --nodeps /tmp/rpm/RPMS/noarch/*.rpm
    """,
    "ubuntu2404": """
        mkdir -p /tmp/deb/DEBIAN && cd /tmp
        printf 'Package: dependent\\nVersion: 1\\nArchitecture: all\\nMaintainer: -\\n' >deb/DEBIAN/control
        printf 'Depends: libibumad3\\nDescription: -\\n' >>deb/DEBIAN/control
        dpkg-deb -b deb dependent.deb && dpkg -i dependent.deb
    """,
}


@pytest.mark.parametrize("source", [al2023_image(), ubuntu_image("ubuntu2404")], ids=lambda source: source.os)
def test_every_release_and_extent_follows_every_other(
    source: SourceImage, cloud: Cloud, own_folder: Folder, tmp_path: Path
) -> None:
    bench = launched(cloud, own_folder, source)
    host = bench.host(tmp_path)
    bench.apply(host, PATH[:1])
    added = host.run(DEPENDENT[source.os])
    assert added.status == 0, added.stderr
    for efa in PATH[1:]:
        assert bench.pending(host, [efa]) == {"install EFA installer": ["version"]}
        assert bench.apply(host, [efa]).changed == 1
        assert bench.pending(host, [efa]) == {}
    kept = host.run("rpm -q dependent || dpkg-query -W dependent")
    assert kept.status == 0, kept.stderr
    host.close()
