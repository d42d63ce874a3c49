"""What `pytest --pyargs amiforge.verify` collects: one test for every check of the recipe that is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from amiforge.errors import AmiforgeError

if TYPE_CHECKING:
    from amiforge.verify.subject import Question


def test_recipe(amiforge_check: Question) -> None:
    """The host is what the recipe says."""
    try:
        finished = amiforge_check.test()
    except AmiforgeError as error:
        pytest.fail(error.block(), pytrace=False)
    if finished.outcome == "skipped":
        pytest.skip(finished.detail)
    if finished.outcome == "failed":
        pytest.fail(finished.detail, pytrace=False)
