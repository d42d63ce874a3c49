"""The steps of a bake, in order."""

from __future__ import annotations

from amiforge.bake.step import Step
from amiforge.bake.steps.access import CheckWay, CreateGroup, ImportKey
from amiforge.bake.steps.builder import Connect, Disarm, LaunchBuilder, Stop, TerminateBuilder
from amiforge.bake.steps.image import MakeImage, RequireImdsv2, WaitForImage
from amiforge.bake.steps.provision import Clean, Provision, Validate
from amiforge.bake.steps.publish import PUBLISHING
from amiforge.bake.steps.record import Record
from amiforge.bake.steps.source import ChooseSubnets, ResolveSource
from amiforge.bake.steps.verify import Verify

__all__ = ["PUBLISHING", "STEPS", "MakeImage"]

STEPS: tuple[Step, ...] = (
    ResolveSource(),
    ChooseSubnets(),
    CheckWay(),
    ImportKey(),
    CreateGroup(),
    LaunchBuilder(),
    Connect(),
    Provision(),
    Validate(),
    Record(),
    Disarm(),
    Clean(),
    Stop(),
    MakeImage(),
    WaitForImage(),
    RequireImdsv2(),
    TerminateBuilder(),
    Verify(),
)
