from __future__ import annotations

import pytest

from amiforge.errors import SandboxUnavailable
from amiforge.sandbox.addresses import Addresses

pytestmark = pytest.mark.sockets


def test_two_sandboxes_never_give_the_same_address() -> None:
    one, other = Addresses(), Addresses()
    mine, theirs = one.take(), other.take()
    one.close()
    other.close()
    assert mine.split(".")[:2] == ["127", "1"]
    assert mine.rpartition(".")[0] != theirs.rpartition(".")[0]


def test_a_block_is_free_again_when_its_lease_ends() -> None:
    one = Addresses()
    first = one.take()
    one.close()
    again = Addresses()
    assert again.take() == first
    again.close()


def test_an_address_rests_before_it_is_given_again_and_all_are_given_once() -> None:
    addresses = Addresses()
    first = addresses.take()
    addresses.give_back(first)
    assert addresses.take() != first
    taken = {addresses.take() for _ in range(252)}
    assert first in taken
    with pytest.raises(SandboxUnavailable):
        addresses.take()
    addresses.close()
