from __future__ import annotations

import pytest

from tests.bench.tools import ansible_changed, pyinfra_changed

RECAP = "machine   : ok=101  changed={}    unreachable={}    failed={}    skipped=0    rescued=0    ignored=0   \n"
TOTAL = """
--> Results:
    Operation                     Hosts   Success   Error   No Change
    dnf.packages (packages=['a']) 1       1         -       -
    Grand total                   100     {}        {}      {}

--> Disconnecting from hosts...
"""


@pytest.mark.parametrize("changed", [0, 100])
def test_ansibles_recap_says_how_much_changed(changed: int) -> None:
    assert ansible_changed(f"PLAY RECAP ***\n{RECAP.format(changed, 0, 0)}") == changed


@pytest.mark.parametrize("output", [RECAP.format(3, 1, 0), RECAP.format(3, 0, 1), "ERROR! no such file"])
def test_a_play_that_failed_counts_for_nothing(output: str) -> None:
    with pytest.raises(ValueError, match="did not finish"):
        ansible_changed(output)


@pytest.mark.parametrize(("success", "same", "changed"), [("100", "-", 100), ("-", "100", 0), ("3", "97", 3)])
def test_pyinfras_grand_total_says_how_much_changed(success: str, same: str, changed: int) -> None:
    assert pyinfra_changed(TOTAL.format(success, "-", same)) == changed


@pytest.mark.parametrize("output", [TOTAL.format("99", "1", "-"), "--> Connecting to hosts...\n"])
def test_a_deploy_that_failed_counts_for_nothing(output: str) -> None:
    with pytest.raises(ValueError, match="did not finish"):
        pyinfra_changed(output)
