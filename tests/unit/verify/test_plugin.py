"""The pytest plugin, in runs of pytest of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.sshd import REAL_SUDO, USER, Sshd, missing

pytest_plugins = ["pytester"]

pytestmark = [pytest.mark.subprocesses, pytest.mark.sockets]

RECIPE = """
import pytest
from collections.abc import Iterator
from amiforge.ec2.source_image import SourceImage
from amiforge.recipes.recipe import Recipe
from amiforge.tasks.task import Check, Task

class Small(Task):
    def resources(self, system): return iter(())
    def checks(self, host, system):
        yield Check("root it is", "root", lambda: host.check_output("id -un"))
        yield Check("two is three", 3, lambda: len(host.check_output("echo ab")))
        yield Check("a GPU answers", 0, lambda: host.run("nvidia-smi").rc, device="ffff")

import amiforge.verify.collected
recipe = Recipe(name="small", description="small", source=SourceImage(ami="ami-0123456789abcdef0"), tasks=(Small(),))
amiforge.verify.collected.find = lambda name: recipe
"""


@pytest.fixture
def sshd() -> Iterator[Sshd]:
    with Sshd(os_release='ID="amzn"\nVERSION_ID="2023"\n') as server:
        yield server


@pytest.mark.skipif(bool(missing()) or not REAL_SUDO, reason=missing() or "needs root, to look like another system")
def test_one_test_a_check_over_one_connection(pytester: pytest.Pytester, sshd: Sshd) -> None:
    pytester.makeconftest(RECIPE)
    (sshd.path / "ssh_config").write_text(f"Host *\n  UserKnownHostsFile {sshd.path}/known_hosts\n")
    (sshd.path / "known_hosts").write_text(f"[127.0.0.1]:{sshd.port} {sshd.host_key}\n")
    arguments = [
        "--pyargs",
        "amiforge.verify",
        "--amiforge-recipe=small",
        f"--hosts=ssh://{USER}@127.0.0.1:{sshd.port}",
    ]
    arguments += [f"--ssh-config={sshd.path}/ssh_config", f"--ssh-identity-file={sshd.key}", "-v", "-p", "no:randomly"]
    result = pytester.runpytest_subprocess(*arguments)
    result.assert_outcomes(passed=1, failed=1, skipped=1)
    result.stdout.fnmatch_lines(
        [
            "*test_recipe[[]small: root it is] PASSED*",
            "*test_recipe[[]small: two is three] FAILED*",
            "*test_recipe[[]small: a GPU answers] SKIPPED*",
            "*expected 3, found 2*",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    assert sshd.connections == 1


def test_without_a_recipe_nothing_is_asked_and_the_skip_says_what_to_give(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess("--pyargs", "amiforge.verify", "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*--amiforge-recipe NAME*"])


@pytest.mark.parametrize(
    ("recipe", "host", "says"),
    [("eks_gpuu", "local://", "no recipe 'eks_gpuu'"), ("eks_gpu", "ftp://x", "not a host")],
)
def test_bad_input_is_answered_in_our_own_words(pytester: pytest.Pytester, recipe: str, host: str, says: str) -> None:
    arguments = ["--pyargs", "amiforge.verify", f"--amiforge-recipe={recipe}", f"--hosts={host}"]
    result = pytester.runpytest_subprocess(*arguments)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*{says}*"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_plugin_brings_nothing_heavy_into_other_peoples_runs() -> None:
    program = (
        "import sys, pytest; before = set(sys.modules); import amiforge.verify.plugin; "
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"pydantic", "fabric", "paramiko", "boto3", "testinfra", "tenacity"} & set(done.stdout.split())
    assert "amiforge" in done.stdout.split()
