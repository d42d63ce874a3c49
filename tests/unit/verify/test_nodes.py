from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amiforge.errors import ConfigError
from amiforge.verify.nodes import expand, fold, read_hosts


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("node[01-03]", ["node01", "node02", "node03"]),
        ("ec2-user@node[9-10].cluster:2222", ["ec2-user@node9.cluster:2222", "ec2-user@node10.cluster:2222"]),
        ("a[1,3-4], b ,", ["a1", "a3", "a4", "b"]),
        ("r[1-2]n[1-2]", ["r1n1", "r1n2", "r2n1", "r2n2"]),
        ("ssh://root@[::1]:22,local://", ["ssh://root@[::1]:22", "local://"]),
    ],
)
def test_ranges_and_lists_become_hosts(text: str, hosts: list[str]) -> None:
    assert expand(text) == hosts


@pytest.mark.parametrize(
    ("hosts", "text"),
    [
        ([f"node{number:02}" for number in range(1, 9)], "node[01-08]"),
        (["node09", "node10", "node12", "login"], "node[09-10,12],login"),
        (["ec2-user@10.0.3.7", "ec2-user@10.0.3.8", "ec2-user@10.0.4.8"], "ec2-user@10.0.3.[7-8],ec2-user@10.0.4.8"),
        ([f"n{number}:2222" for number in (8, 9, 10)], "n[8-10]:2222"),
        (["node1"], "node1"),
        ([], ""),
    ],
)
def test_hosts_are_named_in_short(hosts: list[str], text: str) -> None:
    assert fold(hosts) == text


@given(st.lists(st.from_regex(r"(r[0-9]{1,3})?n[0-9]{1,3}(\.x[0-9])?", fullmatch=True), unique=True))
def test_what_is_in_short_means_the_same_hosts(hosts: list[str]) -> None:
    assert sorted(expand(fold(hosts))) == sorted(hosts)


@pytest.mark.parametrize("text", ["node[3-1]", "node[0-99999]"])
def test_a_range_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="not a range of hosts"):
        expand(text)


def test_a_file_lists_hosts_with_comments(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text("# the cluster\nnode[1-2]  # two\n\nlogin\n")
    assert read_hosts(path) == ["node1", "node2", "login"]
    path.write_text("# nobody\n")
    for file in (path, tmp_path / "none"):
        with pytest.raises(ConfigError):
            read_hosts(file)
