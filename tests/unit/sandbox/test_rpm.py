"""Batches for rpmbuild, spec text and advisories."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from amiforge.sandbox.catalog import read_catalog
from amiforge.sandbox.rpm import batched, spec, updateinfo
from tests.unit.sandbox.standin import ORIGIN, make


def test_two_versions_of_a_package_are_built_apart() -> None:
    one, two = make("a", "1-1", "2-1")
    assert batched([one, two]) == [[one], [two]]


def test_two_packages_with_the_same_file_are_built_apart() -> None:
    (one,), (two,), (three,) = (make(name, files={path: "x"}) for name, path in (("a", "/x"), ("b", "/x"), ("c", "/y")))
    assert batched([one, two, three]) == [[one, three], [two]]


def test_the_whole_catalog_takes_few_batches_and_loses_nothing() -> None:
    wanted = [build for build in read_catalog().builds(ORIGIN) if build.format == "rpm"]
    batches = batched(wanted)
    assert sorted(build.name for batch in batches for build in batch) == sorted(build.name for build in wanted)
    assert len(wanted) / 40 <= len(batches) < len(wanted) / 40 + 10
    assert max(map(len, batches)) <= 40


def test_a_scriptlet_keeps_its_percent_signs() -> None:
    assert "%post -n a\ndate +%%F\n" in spec(make("a", post="date +%F"), Path("/stage"))


def test_files_below_etc_are_configuration_and_others_are_not() -> None:
    text = spec(make("a", files={"/etc/a.conf": "x", "/usr/bin/a": "#!/bin/sh\n"}), Path("/stage"))
    assert '%config(noreplace) "/etc/a.conf"\n"/usr/bin/a"\n' in text


def test_packages_of_one_advisory_stand_in_it_together() -> None:
    fixes = [*make("a", "1-1", security="ALAS-1"), *make("b", "2-1", epoch=3, security="ALAS-1")]
    (update,) = ET.fromstring(updateinfo(fixes)).findall("update")  # noqa: S314 - our own text
    assert (update.get("type"), update.findtext("id")) == ("security", "ALAS-1")
    assert [(row.get("name"), row.get("epoch"), row.findtext("filename")) for row in update.iter("package")] == [
        ("a", "0", "a-1-1.x86_64.rpm"),
        ("b", "3", "b-2-1.x86_64.rpm"),
    ]
