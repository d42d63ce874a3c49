from __future__ import annotations

from pathlib import Path

import pytest

from amiforge.engine.query import Replies
from amiforge.errors import RecipeError
from amiforge.resources.archive import Archive
from amiforge.resources.artifact import Artifact
from amiforge.resources.observation import Observation
from amiforge.resources.vendor_install import VendorInstall
from amiforge.shell import argv, script
from tests.realshell import SYSTEM, ask, converge, differing


def test_the_installer_runs_as_a_job_between_its_sources_and_their_removal() -> None:
    resource = VendorInstall(
        "EFA",
        "1.51.0",
        observe="cat /opt/amazon/efa_installed_packages",
        install=argv("/var/cache/efa/tree/efa_installer.sh", "-y"),
        sources=(
            Artifact("https://host.example/efa.tar.gz", "/var/cache/efa/efa.tar.gz"),
            Archive("/var/cache/efa/efa.tar.gz", "/var/cache/efa/tree", strip=1),
        ),
        workspace="/var/cache/efa",
        locks=("/var/lib/rpm/.rpm.lock",),
        timeout=900,
    )
    download, unpack, install, remove = resource.changes(frozenset({"version"}), SYSTEM)
    assert [change.prefetch for change in (download, unpack, install, remove)] == [True, False, False, False]
    assert [change.job for change in (download, unpack, install, remove)] == [True, True, True, False]
    assert str(install.command) == "/var/cache/efa/tree/efa_installer.sh -y"
    assert (install.summary, install.locks, install.timeout) == ("install EFA 1.51.0", ("/var/lib/rpm/.rpm.lock",), 900)
    assert str(remove.command) == "rm -rf -- /var/cache/efa"


@pytest.mark.parametrize(
    ("seen", "version"),
    [
        (Observation(0, "1.2\nbuilt today"), "1.2"),
        (Observation(0, "  1.2 \n"), "1.2"),
        (Observation(0, ""), None),
        (Observation(1, "1.2"), None),
        (Observation(127, ""), None),
    ],
)
def test_the_first_line_of_a_successful_observation_is_the_version(seen: Observation, version: str | None) -> None:
    resource = VendorInstall("X", "1.2", observe="x --version", install=argv("true"))
    (query,) = resource.queries(SYSTEM)
    assert resource.actual(Replies({query: seen}), SYSTEM) == {"version": version}


def test_a_workspace_that_others_use_is_refused() -> None:
    with pytest.raises(RecipeError, match="cannot be removed as a whole"):
        VendorInstall("X", "1", observe="true", install=argv("true"), workspace="/var")


@pytest.mark.shell
@pytest.mark.subprocesses
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_idempotence_and_drift(tmp_path: Path, shell: str) -> None:
    installed, workspace = tmp_path / "installed version", tmp_path / "work" / "x"
    workspace.mkdir(parents=True)
    resource = VendorInstall(
        "X",
        "1.2",
        observe=script('cat -- "$1"', str(installed)),
        install=script('printf "%s\\n" "$2" >"$1"', str(installed), "1.2"),
        workspace=str(workspace),
    )
    first = ask(resource, shell=shell)
    assert differing(first) == {"version"}
    converge(first, shell)
    assert ask(resource, shell=shell).as_wanted
    assert not workspace.exists()
    installed.write_text("1.3\n")
    assert [difference.actual for difference in ask(resource, shell=shell).differences] == ["1.3"]
    converge(ask(resource, shell=shell), shell)
    assert ask(resource, shell=shell).as_wanted
