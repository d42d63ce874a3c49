from __future__ import annotations

import pytest
from pydantic import ValidationError

from amiforge.cli.config import SECTIONS
from amiforge.settings import AwsSettings, BakeSettings, EngineSettings, Settings


@pytest.mark.parametrize(("name", "model"), SECTIONS)
def test_every_setting_has_a_description_and_a_default(name: str, model: type[Settings]) -> None:
    for option, field in model.model_fields.items():
        assert field.description, f"{name}.{option} has no description"
        assert not field.is_required(), f"{name}.{option} has no default"


@pytest.mark.parametrize(("name", "model"), SECTIONS)
def test_unknown_settings_are_refused(name: str, model: type[Settings]) -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        model.model_validate({f"no_{name}": 1})


def test_settings_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        EngineSettings().lock_wait = 1  # type: ignore[misc]


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), "soon"])
def test_a_length_of_time_is_more_than_nothing(seconds: object) -> None:
    with pytest.raises(ValidationError):
        EngineSettings.model_validate({"lock_wait": seconds})


@pytest.mark.parametrize("region", ["us-west-2", "us-gov-west-1", "eu-isoe-west-1", ""])
def test_regions_are_accepted(region: str) -> None:
    assert AwsSettings(region=region).region == region


@pytest.mark.parametrize("region", ["us-west-2a", "US-WEST-2", "uswest2", "us-west-2 "])
def test_what_is_no_region_is_refused(region: str) -> None:
    with pytest.raises(ValidationError, match="region"):
        AwsSettings(region=region)


def test_a_bake_cleans_up_and_verifies_unless_told_otherwise() -> None:
    settings = BakeSettings()
    assert (settings.on_failure, settings.verify) == ("cleanup", True)
