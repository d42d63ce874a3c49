from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from amiforge.bake import release
from amiforge.bake.inventory.survey import release_fields
from amiforge.bake.manifest import Component, Manifest
from amiforge.engine.events import StepStarted
from amiforge.errors import CommandFailed
from amiforge.host.base import Output
from tests.unit.bake.bench import Bench
from tests.unit.bake.manifests import gpu

BEFORE = 'RUN="20260101-000000-zzzz"\nRECIPE="base"\nSOURCE_AMI="ami-old"\nCOMMIT="abc"\nBUILD_TIME="2026-01-01"\n'


def written(bench: Bench) -> tuple[Manifest, dict[str, str]]:
    """Give what the builder was told to write, of the last time: its manifest and its release."""
    (script,) = [each for each in bench.machines.hosts[0].scripts if "amiforge-release" in each and "mktemp" in each][
        -1:
    ]
    document = next(line for line in script.splitlines() if '"schema_version"' in line)
    document = document[document.index("{") : document.rindex("}") + 1]
    return Manifest.model_validate_json(document), release_fields(script)


def test_the_builder_is_told_what_its_image_will_be_before_the_wipe(bench: Bench) -> None:
    made = bench.bake()
    told, said = written(bench)
    assert said["RUN"] == told.run == made.run
    assert (said["OS"], said["SOURCE_AMI"]) == ("al2023", bench.cloud.source)
    assert (told.image, told.verification.outcome) == ("", "")
    assert told.inventory == made.inventory
    steps = [event.step for event in bench.events if isinstance(event, StepStarted)]
    assert steps[steps.index("record") - 1 :][:3] == ["validate", "record", "disarm"]


def test_an_image_made_of_one_of_ours_knows_which_run_made_that(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.machines, "release", BEFORE)
    made = bench.bake()
    assert made.lineage.model_dump() == {
        "run": "20260101-000000-zzzz",
        "recipe": "base",
        "source": "ami-old",
        "commit": "abc",
        "amiforge": "",
        "built": "2026-01-01",
    }
    assert written(bench)[1]["SOURCE_RUN"] == "20260101-000000-zzzz"


def test_a_builder_that_cannot_be_written_to_makes_no_image(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = bench.machines._answer

    def full(script: str, address: str) -> Output:
        told = "amiforge-release" in script and "mktemp" in script
        return Output(1, b"", b"no space left") if told else answer(script, address)

    monkeypatch.setattr(bench.machines, "_answer", full)
    with pytest.raises(CommandFailed, match="write /etc/amiforge-release") as caught:
        bench.bake()
    assert caught.value.lines["stderr"] == "no space left"
    assert "CreateImage" not in bench.cloud.calls


def test_a_release_is_shell_that_assigns_and_does_nothing_else() -> None:
    evil = Component(task="t", title="My tool, v2", version='1"; $(touch x) `y` \\', source="")
    made = gpu().model_copy(update={"components": (evil,)})
    assert 'MY_TOOL_V2_VERSION="1\\"; \\$(touch x) \\`y\\` \\\\"' in release.release_text(made).splitlines()


@pytest.mark.shell
def test_the_real_script_writes_both_files_for_everybody_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, said = tmp_path / "share/amiforge/manifest.json", tmp_path / "release"
    monkeypatch.setattr(release, "MANIFEST", str(manifest))
    monkeypatch.setattr(release, "RELEASE", str(said))
    for made in (gpu(), gpu(driver="580.126.09")):
        text = f"umask 077; {release.write_release(made).text()}"
        assert subprocess.run(["sh", "-s"], input=text.encode(), check=False).returncode == 0
        assert Manifest.model_validate(json.loads(manifest.read_text())) == made
        assert said.stat().st_mode & 0o777 == manifest.stat().st_mode & 0o777 == 0o644
    shown = subprocess.run(
        ["sh", "-c", f'. {said}; echo "$NVIDIA_DRIVER_VERSION $RECIPE"'], capture_output=True, check=True
    )
    assert shown.stdout == b"580.126.09 eks_gpu\n"
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["manifest.json", "release"]
