"""Every default that is not a recipe's, one frozen model a concern.

The command line lays them over one another: flag, then environment, then amiforge.toml, then the defaults here.
How a host is reached over SSH stands with the code that reaches it, in `amiforge.host.ssh_settings`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

#: A length of time in seconds; 0 and less are refused.
Seconds = Annotated[float, Field(gt=0)]

OnFailure = Literal["cleanup", "keep"]


class Settings(BaseModel):
    """Base of all settings: frozen, unknown names refused, a description on every field."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, validate_default=True)


class EngineSettings(Settings):
    """How work on a host is paced, and how long it may take."""

    query_timeout: Seconds = Field(120, description="seconds that one batch of read-only queries may take")
    lock_wait: Seconds = Field(900, description="seconds to wait for a package manager's or cloud-init's lock")
    link_wait: Seconds = Field(300, description="seconds to try to connect again after a link died during a job")
    going_down: Seconds = Field(300, description="seconds until a host that was asked to reboot must stop answering")
    coming_back: Seconds = Field(
        1800, description="seconds until a rebooted host must answer with a new boot id; metal types take 20 minutes"
    )
    settle: Seconds = Field(600, description="seconds until systemd must have finished starting after a boot")
    mirror: str = Field(
        "",
        pattern="^(https?://.+)?$",
        description="where downloads come from instead of their own hosts: https://host/path becomes MIRROR/host/path",
    )
    lock_file: str = Field(
        "amiforge.lock",
        description="file that records digests of downloads and fingerprints of keys seen for the first time",
    )
    require_digests: bool = Field(
        False, description="refuse, before anything is launched, a recipe with a download of which nothing is known"
    )


class AwsSettings(Settings):
    """Which account, region and endpoint EC2 is called at, and how patiently."""

    region: str = Field(
        "", pattern=r"^([a-z]{2,}(-[a-z]+)+-\d+)?$", description="AWS region; empty takes the profile's"
    )
    profile: str = Field("", description="named profile of ~/.aws; empty takes boto3's default chain")
    endpoint_url: str = Field(
        "", pattern="^(https?://.+)?$", description="address of the EC2 and SSM API instead of AWS's own"
    )
    connect_timeout: Seconds = Field(10, description="seconds to open a connection to the API")
    read_timeout: Seconds = Field(60, description="seconds to wait for the API's answer")
    attempts: int = Field(10, ge=1, description="tries of a read or delete call before its error counts")


class BakeSettings(Settings):
    """What a bake does besides its recipe, and how long its steps may take."""

    image_name: str = Field(
        "amiforge-{recipe}-{os}-{arch}-{run}",
        min_length=3,
        description="name of the finished image; {recipe}, {os}, {arch} and {run} are filled in",
    )
    tags: dict[str, str] = Field(default_factory=dict, description="tags added to everything a bake makes")
    on_failure: OnFailure = Field("cleanup", description="what happens to the builder of a failed bake: cleanup, keep")
    verify: bool = Field(True, description="boot the finished image and verify it before it counts as good")
    runs: str = Field(".amiforge/runs", description="folder that gets a journal, log and manifest for each run")
    launch_deadline: Seconds = Field(600, description="seconds until a launched instance must run")
    capacity_patience: float = Field(
        0, ge=0, description="seconds to keep asking for room once EC2 had none anywhere; 0 asks in each place once"
    )
    reach_deadline: Seconds = Field(
        1200, description="seconds until a running instance must accept SSH and have cloud-init done"
    )
    stop_deadline: Seconds = Field(2700, description="seconds until a stopping instance must be stopped")
    stop_force_after: float = Field(
        0, ge=0, description="seconds after which a stopping instance is stopped by force, once; 0 for never"
    )
    image_deadline: Seconds = Field(14400, description="seconds until a created image must be available")
    terminate_deadline: Seconds = Field(1800, description="seconds until a terminated instance must be gone")
    quiesce_deadline: Seconds = Field(
        900, description="seconds until a provisioned builder must be at rest: no package manager, no module build"
    )
    private_keys: tuple[str, ...] = Field(
        (), description="shell patterns of paths, in /etc and home directories, where the image may hold a private key"
    )
    dead_man: Seconds = Field(
        3600, description="seconds after which a builder that heard nothing of us powers itself off and is gone"
    )
    verify_types: tuple[str, ...] = Field(
        (), description="instance types of the instance that proves the image, in order; none for the builder's own"
    )
    checks: tuple[str, ...] = Field(
        (), description="files or folders of pytest tests that an image must pass besides the recipe's own checks"
    )
    max_age_days: float = Field(
        0,
        ge=0,
        description="days after which an image is baked anew although nothing of its recipe has changed; 0 for never",
    )
    failed_days: float = Field(
        3, gt=0, description="days for which an image is kept that did not pass, or that a parked run has yet to prove"
    )
    poll: Seconds = Field(5, description="seconds between two looks at something that EC2 is working on")
    lifetime: Seconds = Field(
        14400, description="seconds for which what a run made, and a builder kept for people, is left alone"
    )


class PublishSettings(Settings):
    """What becomes of an image that is proven. With nothing set it stays private, in its region."""

    regions: tuple[str, ...] = Field((), description="regions that get a copy, besides the one it is baked in")
    kms_keys: dict[str, str] = Field(
        default_factory=dict, description="region to the KMS key that a copy there is encrypted with"
    )
    accounts: tuple[Annotated[str, Field(pattern=r"^\d{12}$")], ...] = Field(
        (), description="accounts that may launch the image"
    )
    organizations: tuple[Annotated[str, Field(pattern="^arn:.+:organization/.+$")], ...] = Field(
        (), description="ARNs of organizations whose accounts may launch the image"
    )
    organizational_units: tuple[Annotated[str, Field(pattern="^arn:.+:ou/.+$")], ...] = Field(
        (), description="ARNs of organizational units whose accounts may launch the image"
    )
    pointer: str = Field(
        "",
        pattern="^(/.*[^/])?$",
        description=(
            "path of the SSM parameters `current` and `previous` that name the image, such as"
            " /amiforge/{recipe}/{os}/{arch}/{channel}; empty for none"
        ),
    )
    channel: str = Field("stable", pattern=r"^[A-Za-z0-9_.-]+$", description="what {channel} in `pointer` stands for")
    deprecate_days: float = Field(
        0, ge=0, description="days from publishing until the image is deprecated; 0 for never"
    )
    supersede_days: float = Field(
        30, ge=0, description="days until an image is deprecated that another one took the place of; 0 for never"
    )
    protect: bool = Field(False, description="protect published images from being deregistered, with a cooldown")
    copy_deadline: Seconds = Field(14400, description="seconds until a copy must be available")

    @property
    def wanted(self) -> bool:
        """Tell whether anything is to be done with an image that is proven."""
        return bool(
            self.regions
            or self.accounts
            or self.organizations
            or self.organizational_units
            or self.pointer
            or self.deprecate_days
            or self.protect
        )


class RetentionSettings(Settings):
    """Which images `amiforge prune` keeps. It removes nothing that anybody uses, whatever this says."""

    keep: int = Field(3, ge=0, description="newest images kept of each recipe, operating system and architecture")
    unused_days: float = Field(
        0, ge=0, description="days for which an image is kept after it was made or last launched; 0 for no such rule"
    )
    grace_days: float = Field(
        0, ge=0, description="days for which an image is disabled before it is removed; 0 removes at once"
    )


class HookSettings(Settings):
    """Commands that are told what becomes of a bake; each gets the event as JSON on its standard input."""

    started: tuple[str, ...] = Field((), description="sh commands to run when a bake begins")
    parked: tuple[str, ...] = Field((), description="sh commands to run when a bake is parked, to be resumed")
    failed: tuple[str, ...] = Field((), description="sh commands to run when a bake has failed")
    baked: tuple[str, ...] = Field((), description="sh commands to run when an image is made and proven")
    published: tuple[str, ...] = Field((), description="sh commands to run when an image is published")
    timeout: Seconds = Field(30, description="seconds that one command may take")


class ReportSettings(Settings):
    """What the report of a bake says."""

    prices: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict, description="instance type to its price an hour, in US dollars, for the estimate"
    )
