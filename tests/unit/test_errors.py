from __future__ import annotations

from amiforge.errors import CommandFailed, NotConverged


def test_a_block_is_the_sentence_and_one_aligned_paragraph_a_label() -> None:
    error = CommandFailed("install jq failed with exit status 1", ran="dnf -y install jq", output="one\ntwo\n")
    assert error.block() == (
        "✗ install jq failed with exit status 1\n    ran     dnf -y install jq\n    output  one\n            two"
    )


def test_who_knows_first_wins_and_nobody_adds_nothing() -> None:
    error = NotConverged("still absent", state="wanted installed").add(state="later", where="efa.py:3", fix="")
    assert error.lines == {"state": "wanted installed", "where": "efa.py:3"}
