from __future__ import annotations

import pytest

from tests.bench.table import at_most, below, faster, not_measured, render, within


@pytest.mark.parametrize(("theirs", "ratio", "met"), [(20.0, "10.0x", True), (19.0, "9.5x", False)])
def test_a_peer_must_take_so_many_times_longer(theirs: float, ratio: str, met: bool) -> None:
    row = faster("no-op", 2.0, "pyinfra", theirs, least=10)
    assert (row.compared, row.ratio, row.met) == (f"pyinfra {theirs:.1f} s", ratio, met)
    assert row.budget == "≥ 10x faster than pyinfra"


def test_faster_than_a_peer_says_nothing_of_times() -> None:
    assert faster("first", 60.0, "Ansible", 60.1, least=1).budget == "faster than Ansible"
    assert faster("first", 60.0, "Ansible", 60.1, least=1).met
    assert not faster("first", 60.0, "Ansible", 59.9, least=1).met


@pytest.mark.parametrize(("ours", "ratio", "met"), [(15.0, "1.50x", True), (16.0, "1.60x", False)])
def test_we_may_take_so_many_times_a_peers_time(ours: float, ratio: str, met: bool) -> None:
    row = within("bake", ours, "Packer", 10.0, most=1.5)
    assert (row.ratio, row.met) == (ratio, met)


def test_a_limit_in_seconds_is_not_to_be_reached() -> None:
    assert below("help", 0.39, most=0.4).met
    assert not below("help", 0.4, most=0.4).met


def test_a_count_may_reach_its_limit() -> None:
    assert at_most("sessions", 2, most=2).met
    assert not at_most("sessions", 3, most=2).met


def test_the_table_is_markdown_with_aligned_columns_and_says_missed() -> None:
    rows = [below("a long name of a measure", 1.0, most=2), below("short", 3.0, most=2), not_measured("x", "y", "why")]
    lines = render(rows).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert set(lines[1]) == {"|", "-"}
    assert [line.split("|")[-2].strip() for line in lines] == ["verdict", "-" * 12, "met", "**missed**", "-"]
    assert "not measured" in lines[-1]
