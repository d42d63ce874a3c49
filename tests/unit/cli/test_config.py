from __future__ import annotations

from pathlib import Path

import pytest

from amiforge.cli.config import Config, Given, find, from_environment, load, nearest, parse_value
from amiforge.errors import ConfigError
from amiforge.settings import AwsSettings, BakeSettings, EngineSettings


def write(folder: Path, text: str) -> Path:
    path = folder / "amiforge.toml"
    path.write_text(text)
    return path


def test_without_anything_the_defaults_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = load(environment={})
    assert (config.engine, config.aws, config.bake) == (EngineSettings(), AwsSettings(), BakeSettings())
    assert config.recipes == {}


def test_flag_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    path = write(tmp_path, '[aws]\nregion = "eu-west-1"\nprofile = "file"\nattempts = 3\n')
    environment = {"AWS_REGION": "us-east-1", "AWS_PROFILE": "variable"}
    flags = {"aws": {"region": Given("us-west-2", "--region us-west-2")}}

    aws = load(path, flags, environment).aws

    assert (aws.region, aws.profile, aws.attempts, aws.read_timeout) == ("us-west-2", "variable", 3, 60)


def test_our_own_variable_beats_aws_variables_and_region_beats_default_region() -> None:
    variables = {"AWS_DEFAULT_REGION": "eu-west-1", "AWS_REGION": "us-east-1"}
    assert from_environment("aws", AwsSettings, variables)["region"].value == "us-east-1"
    variables["AMIFORGE_AWS_REGION"] = "us-west-2"
    assert from_environment("aws", AwsSettings, variables)["region"].value == "us-west-2"


def test_an_empty_aws_variable_counts_as_not_set() -> None:
    assert from_environment("aws", AwsSettings, {"AWS_REGION": "", "AWS_DEFAULT_REGION": "eu-west-1"}) == {
        "region": Given("eu-west-1", "AWS_DEFAULT_REGION")
    }


def test_variables_are_converted_to_the_type_of_their_field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    environment = {
        "AMIFORGE_ENGINE_LOCK_WAIT": "5",
        "AMIFORGE_BAKE_VERIFY": "false",
        "AMIFORGE_BAKE_TAGS": '{team = "ml"}',
    }
    config = load(environment=environment)
    assert (config.engine.lock_wait, config.bake.verify, config.bake.tags) == (5, False, {"team": "ml"})


@pytest.mark.parametrize(
    ("text", "message", "fix"),
    [
        ("[aws]\nregoin = 'x'", "amiforge.toml: aws.regoin: no such setting", "did you mean region?"),
        ("[awz]\nregion = 'x'", "amiforge.toml: awz: no such setting", "did you mean aws?"),
        (
            "region = 'x'",
            "amiforge.toml: region: no such setting",
            "known: aws, bake, engine, hooks, publish, recipes, report, retention, ssh",
        ),
        ("[engine]\nlock_wait = 0", "amiforge.toml: engine.lock_wait: Input should be greater than 0, and is 0", ""),
        ("[bake]\non_failure = 'ask'", "amiforge.toml: bake.on_failure: Input should be 'cleanup' or 'keep'", ""),
        ("aws = 3", "amiforge.toml: aws must be a table, and is 3", ""),
        ("[recipes]\neks_gpu = 3", "amiforge.toml: recipes.eks_gpu must be a table, and is 3", ""),
        ("[recipes.eks_gpu]\nefa = 3", "amiforge.toml: recipes.eks_gpu.efa must be a table, and is 3", ""),
        ("[aws", "amiforge.toml is not TOML: ", ""),
    ],
)
def test_a_wrong_file_is_refused_with_file_and_path(tmp_path: Path, text: str, message: str, fix: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, text), environment={})
    assert message in caught.value.message
    assert caught.value.message.startswith(str(tmp_path))
    assert fix in caught.value.lines.get("fix", "")


def test_an_unknown_field_in_a_variable_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="environment variable AMIFORGE_BAKE_VERIFI: no such setting") as caught:
        from_environment("bake", BakeSettings, {"AMIFORGE_BAKE_VERIFI": "1"})
    assert caught.value.lines["fix"].startswith("did you mean verify? ")


def test_a_wrong_value_names_the_flag_it_came_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"--region nowhere: .*, and is 'nowhere'"):
        load(flags={"aws": {"region": Given("nowhere", "--region nowhere")}}, environment={})


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.toml: no such file"):
        load(tmp_path / "gone.toml", environment={})
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"binary\.toml cannot be read"):
        load(tmp_path / "binary.toml", environment={})
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path, environment={})


def test_the_nearest_settings_file_above_is_found(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    outer = write(tmp_path, "")
    assert find(below) == outer
    inner = write(tmp_path / "a", "")
    assert find(below) == inner


def test_recipe_options_keep_the_place_they_come_from(tmp_path: Path) -> None:
    path = write(tmp_path, "[recipes.eks_gpu.nvidia_driver]\nversion = '1.2'\n")
    config: Config = load(path, environment={})
    given = Given("1.2", f"{path}: recipes.eks_gpu.nvidia_driver.version")
    assert config.recipes == {"eks_gpu": {"nvidia_driver": {"version": given}}}
    assert config.asked == {"eks_gpu": {}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("580.159.03", "580.159.03"),
        ("12.10", "12.10"),
        ("true", "true"),
        ("ami-0abc", "ami-0abc"),
        ('"quoted"', "quoted"),
        ('["a", "b"]', ["a", "b"]),
        ("{a = 1}", {"a": 1}),
        ("", ""),
        ("[broken", "[broken"),
        ("1\nother = 2", "1\nother = 2"),
    ],
)
def test_values_are_toml_where_they_look_like_it_and_text_otherwise(text: str, value: object) -> None:
    assert parse_value(text) == value


def test_the_nearest_name_is_offered_or_all_of_them() -> None:
    assert nearest("versoin", ["version", "minimal"]) == "did you mean version? known: minimal, version"
    assert nearest("zzz", ["b", "a"]) == "known: a, b"
