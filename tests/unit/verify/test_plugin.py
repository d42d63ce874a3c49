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

import amiforge.recipes
recipe = Recipe(name="small", description="small", source=SourceImage(ami="ami-0123456789abcdef0"), tasks=(Small(),))
amiforge.recipes.find = lambda name: recipe
amiforge.recipes.names = lambda: ("small",)
"""


@pytest.fixture
def sshd() -> Iterator[Sshd]:
    with Sshd(os_release='ID="amzn"\nVERSION_ID="2023"\n') as server:
        yield server


OURS = """
def test_root(host): assert host.check_output("id -un") == "root"
def test_all_three(host, recipe, system): assert (recipe.name, system.os.name) == ("small", "al2023")
"""

real = pytest.mark.skipif(
    bool(missing()) or not REAL_SUDO, reason=missing() or "needs root, to look like another system"
)


@real
def test_one_test_a_check_over_one_connection(pytester: pytest.Pytester, sshd: Sshd) -> None:
    pytester.makeconftest(RECIPE)
    result = pytester.runpytest_subprocess("--pyargs", "amiforge.verify", *asked(sshd, f"{USER}@127.0.0.1"))
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


@real
def test_own_tests_and_ours_share_one_connection_a_host(pytester: pytest.Pytester, sshd: Sshd) -> None:
    pytester.makeconftest(RECIPE)
    path = str(pytester.makepyfile(test_ours=OURS))
    both = [f"{USER}@127.0.0.1", f"{USER}@localhost"]
    result = pytester.runpytest_subprocess(path, "--pyargs", "amiforge.verify", *asked(sshd, *both))
    result.assert_outcomes(passed=2 * 3, failed=2, skipped=2)
    result.stdout.fnmatch_lines([f"*test_root[[]ssh://{USER}@{name}:*PASSED*" for name in ("127.0.0.1", "localhost")])
    assert sshd.connections == 2


def test_a_host_that_is_not_there_fails_its_own_tests_only(pytester: pytest.Pytester) -> None:
    path = str(pytester.makepyfile("def test_it(host): assert host.check_output('echo a') == 'a'"))
    arguments = ["--amiforge-recipe=eks_gpu", "--hosts=nobody@127.0.0.1:1,nobody@127.0.0.1:2"]
    result = pytester.runpytest_subprocess(path, "--pyargs", "amiforge.verify", *arguments)
    result.assert_outcomes(errors=2, failed=2)
    result.stdout.no_fnmatch_line("*Traceback*")


def test_other_peoples_hosts_are_as_they_were(pytester: pytest.Pytester) -> None:
    path = pytester.makepyfile("""
    def test_theirs(host): assert host.backend.NAME == "local"
    def test_needs_us(recipe, system): raise AssertionError("skipped")
    """)
    result = pytester.runpytest_subprocess(str(path), "--hosts=local://", "-rs")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["*--amiforge-recipe NAME*"])


def asked(sshd: Sshd, *hosts: str) -> list[str]:
    (sshd.path / "ssh_config").write_text(f"Host *\n  UserKnownHostsFile {sshd.path}/known_hosts\n")
    names = ",".join(f"[{host.partition('@')[2]}]:{sshd.port}" for host in hosts)
    (sshd.path / "known_hosts").write_text(f"{names} {sshd.host_key}\n")
    named = ",".join(f"ssh://{host}:{sshd.port}" for host in hosts)
    ssh = [f"--ssh-config={sshd.path}/ssh_config", f"--ssh-identity-file={sshd.key}"]
    return ["--amiforge-recipe=small", f"--hosts={named}", *ssh, "-v", "-p", "no:randomly"]


def test_without_a_recipe_nothing_is_asked_and_the_skip_says_what_to_give(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess("--pyargs", "amiforge.verify", "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*--amiforge-recipe NAME*"])


@pytest.mark.parametrize(
    ("recipe", "host", "says"),
    [
        ("eks_gpuu", "local://", "no recipe 'eks_gpuu'"),
        ("eks_gpu", "ftp://x", "not a host"),
        ("eks_gpu --amiforge-set=nvidia_driver.colour=red", "local://", "no option 'colour'"),
        ("eks_gpu --amiforge-os=beos", "local://", "beos"),
    ],
)
def test_bad_input_is_answered_in_our_own_words(pytester: pytest.Pytester, recipe: str, host: str, says: str) -> None:
    arguments = ["--pyargs", "amiforge.verify", *f"--amiforge-recipe={recipe}".split(), f"--hosts={host}"]
    result = pytester.runpytest_subprocess(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{says}*"])
    result.stderr.no_fnmatch_line("*Traceback*")


def test_plugin_brings_nothing_heavy_into_other_peoples_runs() -> None:
    program = (
        "import sys, pytest; before = set(sys.modules); import amiforge.cli.plugin; "
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"pydantic", "fabric", "paramiko", "boto3", "testinfra", "tenacity"} & set(done.stdout.split())
    assert "amiforge" in done.stdout.split()
