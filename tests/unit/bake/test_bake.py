from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from amiforge.bake import bake
from amiforge.bake.journal import read
from amiforge.bake.manifest import Manifest
from amiforge.ec2.source_image import SourceImage
from amiforge.engine.events import Event
from amiforge.engine.resource import Resource
from amiforge.errors import (
    AwsRefused,
    CleanupIncomplete,
    ConfigError,
    LaunchFailed,
    NotConverged,
    RecipeError,
)
from amiforge.recipes.recipe import Recipe
from amiforge.resources import Artifact
from amiforge.settings import AwsSettings, BakeSettings, EngineSettings
from amiforge.systems.system import System
from amiforge.tasks.task import Task
from tests.unit.bake.bench import Bench
from tests.unit.ec2.cloud import LOST, SETTINGS


def test_a_bake_leaves_one_verified_image_and_nothing_else(bench: Bench) -> None:
    manifest = bench.bake()
    assert bench.cloud.leftovers() == [f"image {manifest.image}"]
    tags = bench.cloud.clients.ec2.describe_images(ImageIds=[manifest.image])["Images"][0]["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags}["amiforge:state"] == "verified"
    assert manifest.verification.outcome == "passed"


def test_the_manifest_says_what_was_made_of_what_and_how_it_went(bench: Bench) -> None:
    manifest = bench.bake()
    written = Manifest.model_validate_json((bench.run_folder / "manifest.json").read_text())
    assert written == manifest
    assert written.source.ami == bench.cloud.source
    assert written.image_name == f"amiforge-empty-al2023-x86_64-{written.run}"
    assert [(each.name, each.version) for each in written.inventory.packages] == [("jq", "1.7-1")]
    assert {check.title: check.outcome for check in written.verification.checks}["the machine id is new"] == "passed"
    assert [step.name for step in written.steps][:2] == ["resolve source image", "check names and subnets"]


def test_the_journal_has_every_changing_call_before_it_is_sent_and_after_its_answer(bench: Bench) -> None:
    bench.bake()
    lines = list(read(bench.run_folder / "journal.jsonl"))
    changing = [name for name in bench.cloud.calls if not name.startswith("Describe")]
    assert [line["operation"] for line in lines if line["kind"] == "asked"] == changing
    kinds = [line["kind"] for line in lines if line["kind"] in {"asked", "answered", "refused"}]
    assert kinds == ["asked", "answered"] * len(changing)


def test_no_private_key_stays_anywhere(bench: Bench) -> None:
    bench.bake()
    assert not [file for file in bench.run_folder.rglob("*") if "PRIVATE" in file.read_text()]


def test_instances_demand_imdsv2_and_their_volumes_are_encrypted_and_go_with_them(bench: Bench) -> None:
    bench.bake()
    lines = read(bench.run_folder / "journal.jsonl")
    launches = [line["about"] for line in lines if line["kind"] == "asked" and line["operation"] == "RunInstances"]
    assert len(launches) == 2
    for asked in launches:
        assert asked["MetadataOptions"]["HttpTokens"] == "required"
        volumes = [mapping["Ebs"] for mapping in asked["BlockDeviceMappings"]]
        assert all(volume["Encrypted"] and volume["DeleteOnTermination"] for volume in volumes)
        assert {tags["ResourceType"] for tags in asked["TagSpecifications"]} >= {"instance", "volume"}
        assert "UserData" not in asked
    assert launches[0]["KeyName"] != launches[1]["KeyName"]


def refuse(bench: Bench, operation: str, code: str, numbers: range) -> None:
    bench.faults.update({(operation, number): code for number in numbers})


def test_without_room_the_next_place_is_tried_in_order(bench: Bench) -> None:
    refuse(bench, "RunInstances", "InsufficientInstanceCapacity", range(1, 7))
    assert bench.bake().instance_type == "m7i.large"


def test_no_room_anywhere_names_every_answer_and_leaves_nothing(bench: Bench) -> None:
    refuse(bench, "RunInstances", "InsufficientInstanceCapacity", range(1, 13))
    with pytest.raises(LaunchFailed) as caught:
        bench.bake()
    assert caught.value.lines["answers"].count("InsufficientInstanceCapacity") == 12
    assert bench.cloud.leftovers() == []


def test_what_the_wipe_left_ends_the_bake_before_there_is_an_image(bench: Bench) -> None:
    bench.machines.dirty = "logs\t/var/log/secure\n"
    with pytest.raises(NotConverged) as caught:
        bench.bake()
    assert caught.value.lines["state"] == "logs: /var/log/secure"
    assert "CreateImage" not in bench.cloud.calls
    assert bench.cloud.leftovers() == []


def test_keep_leaves_the_builder_of_a_failed_bake_and_says_how_to_log_in(bench: Bench) -> None:
    bench.machines.problems = "only 5 KiB are free on /\n"
    with pytest.raises(NotConverged) as caught:
        bench.bake(on_failure="keep")
    assert [name.split()[0] for name in bench.cloud.leftovers()] == ["instance", "key", "security", "volume"]
    key = caught.value.lines["log_in"].split()[2]
    assert Path(key).stat().st_mode & 0o777 == 0o600


def test_keep_does_not_keep_a_builder_that_nobody_can_log_in_to(bench: Bench) -> None:
    refuse(bench, "CreateImage", "UnauthorizedOperation", range(1, 2))
    with pytest.raises(AwsRefused):
        bench.bake(on_failure="keep")
    assert bench.cloud.leftovers() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_bake_with_nothing_left(bench: Bench, number: signal.Signals) -> None:
    def interrupted(event: Event) -> None:
        if getattr(event, "step", "") == "validate":
            os.kill(os.getpid(), number)

    bench.events = _Told(interrupted)
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt):
        bench.bake()
    assert bench.cloud.leftovers() == []
    assert signal.getsignal(number) is before


def test_what_cannot_be_removed_is_listed_beside_the_failure(bench: Bench) -> None:
    bench.machines.problems = "only 5 KiB are free on /\n"
    refuse(bench, "TerminateInstances", "UnauthorizedOperation", range(1, 100))
    with pytest.raises(NotConverged) as caught:
        bench.bake()
    assert caught.value.lines["left"].startswith("launch builder: TerminateInstances: as the test asked")
    assert "security group" not in str(bench.cloud.leftovers()), "the rest is removed nevertheless"


def test_a_good_image_with_incomplete_cleanup_stays_and_the_error_lists_the_rest(bench: Bench) -> None:
    refuse(bench, "DeleteKeyPair", "UnauthorizedOperation", range(1, 100))
    with pytest.raises(CleanupIncomplete) as caught:
        bench.bake()
    assert "import key: DeleteKeyPair" in caught.value.lines["left"]
    image = Manifest.model_validate_json((bench.run_folder / "manifest.json").read_text()).image
    assert [name for name in bench.cloud.leftovers() if not name.startswith("key pair")] == [f"image {image}"]


def test_a_taken_or_impossible_image_name_is_refused_before_anything_is_made(bench: Bench) -> None:
    with pytest.raises(ConfigError, match="no image name"):
        bench.bake(image_name="{recipe}#{run}")
    with pytest.raises(ConfigError, match="there is an image named 'al2023-ami-2023"):
        bench.bake(image_name="al2023-ami-2023.9")
    assert bench.cloud.leftovers() == []


_PARTS = 4


@pytest.mark.parametrize("part", range(_PARTS))
@pytest.mark.parametrize("fault", ["UnauthorizedOperation", "InternalError", LOST])
def test_a_fault_at_any_call_leaves_at_most_the_finished_image(bench: Bench, fault: str, part: int) -> None:
    bench.bake()
    calls = list(bench.cloud.calls)
    # Reading again after a hiccup is botocore's affair; that a refused read leaves nothing is ours.
    numbers = [n for n, name in enumerate(calls, 1) if fault == "UnauthorizedOperation" or name[:8] != "Describe"]
    for number in numbers[part::_PARTS]:
        bench.cloud.forget_images()
        bench.cloud.calls.clear()
        bench.faults.clear()
        bench.faults[number] = fault
        try:
            image = [f"image {bench.bake().image}"]
        except AwsRefused:
            image = []
        assert image or fault == "UnauthorizedOperation", f"{calls[number - 1]}: what passes must not end a bake"
        assert bench.cloud.leftovers() == image, calls[number - 1]


class _Told(list[Event]):
    def __init__(self, tell: object) -> None:
        super().__init__()
        self._tell = tell

    def append(self, event: Event) -> None:
        self._tell(event)  # type: ignore[operator]


def test_a_recipe_with_unknown_downloads_is_refused_before_anything_is_made_where_that_is_wanted(bench: Bench) -> None:
    class Unknown(Task):
        def resources(self, system: System) -> Iterator[Resource]:
            yield Artifact("https://vendor.example/x", "/c/x")

    source = SourceImage(name="al2023-ami-*", owner="123456789012")
    recipe = Recipe(name="unknown", description="", source=source, tasks=(Unknown(),))
    with pytest.raises(RecipeError, match="1 downloads of which nothing is known"):
        bake(
            recipe,
            SETTINGS,
            engine=EngineSettings(require_digests=True, lock_file=str(bench.folder / "amiforge.lock")),
            means=bench.machines.means(),
        )
    assert bench.cloud.leftovers() == []
    assert not bench.folder.exists()


def test_without_a_region_there_is_not_even_a_folder_for_the_run(tmp_path: Path) -> None:
    recipe = Recipe(name="empty", description="nothing", source=SourceImage(ami="ami-1"), tasks=())
    with pytest.raises(ConfigError, match="no AWS region"):
        bake(recipe, AwsSettings(), settings=BakeSettings(runs=str(tmp_path / "runs")))
    assert not (tmp_path / "runs").exists()
