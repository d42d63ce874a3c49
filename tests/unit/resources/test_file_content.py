from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amiforge.engine.frame import ask
from amiforge.engine.query import Answer, merge, read
from amiforge.errors import FactUnreadable
from amiforge.resources.file_content import CONTENTS, content_of
from tests.realshell import sh


@pytest.mark.shell
@pytest.mark.subprocesses
def test_bytes_come_back_as_they_are(tmp_path: Path) -> None:
    contents = {"empty": b"", "text": b"a\n", "bytes": bytes(range(256)) * 9, "a b\n": b"odd name"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "link").symlink_to("text")
    wanted = {**contents, "link": b"a\n", "missing": None, ".": None}
    queries = [content_of(f"{tmp_path}/{name}") for name in wanted]
    [question] = merge(queries)
    replies = read([question], [sh(ask(question, 30).text)])
    assert [replies[query] for query in queries] == list(wanted.values())


@given(st.binary(max_size=200))
def test_a_garbled_answer_is_unreadable_and_nothing_else(garbage: bytes) -> None:
    with pytest.raises(FactUnreadable):
        CONTENTS.parse(Answer(0, garbage, b""), ["/etc/x"])


def test_a_file_that_cannot_be_read_is_said_so() -> None:
    with pytest.raises(FactUnreadable, match="what /etc/x holds"):
        CONTENTS.parse(Answer(1, b"file ", b"denied"), ["/etc/x"])
