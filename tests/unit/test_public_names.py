from __future__ import annotations

import pkgutil

import pytest

import amiforge


def test_the_public_names_are_few_sorted_and_there() -> None:
    assert amiforge.__all__ == ["AmiforgeError", "Check", "Recipe", "Task", "apply", "outline", "plan"]
    assert dir(amiforge) == amiforge.__all__
    for name in amiforge.__all__:
        assert getattr(amiforge, name).__name__ == name


def test_no_public_name_hides_a_package() -> None:
    assert set(amiforge.__all__) & {module.name for module in pkgutil.iter_modules(amiforge.__path__)} == set()


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'amiforge' has no attribute 'nothing'"):
        _ = amiforge.nothing
