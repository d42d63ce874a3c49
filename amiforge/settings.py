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
    poll: Seconds = Field(5, description="seconds between two looks at something that EC2 is working on")
    lifetime: Seconds = Field(
        14400, description="seconds for which what a run made, and a builder kept for people, is left alone"
    )
