"""An instance of the sandbox with our engine on it: what tests of tasks, recipes and source images work with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amiforge.ec2.resolve import resolve
from amiforge.ec2.session import open_clients
from amiforge.ec2.source_image import SourceImage
from amiforge.engine.apply import Report, apply, plan
from amiforge.host.ssh import SshHost
from amiforge.host.ssh_settings import Ssh
from amiforge.host.wait import wait_for_ssh
from amiforge.sandbox.folder import Folder
from amiforge.sandbox.mirror import digests, fingerprints, mirror_address
from amiforge.settings import AwsSettings, EngineSettings
from amiforge.systems.trust import Trust
from amiforge.tasks.task import Task
from tests.sandbox.cloud import Cloud


@dataclass(frozen=True)
class Bench:
    """An instance, how it is reached, and what applies to it need to know of the sandbox."""

    cloud: Cloud
    folder: Folder
    instance: str
    user: str = "ec2-user"

    def host(self, tmp_path: Path) -> SshHost:
        """Connect to it as soon as it lets us in and cloud-init is done."""
        address = self.cloud.instance(self.instance)["PublicIpAddress"]
        (tmp_path / "ssh_config").touch()
        ssh = Ssh(config=tmp_path / "ssh_config", known_hosts=tmp_path / "known_hosts", accept_new=True)
        host = SshHost(address, self.user, key=self.cloud.key, settings=ssh)
        wait_for_ssh(host, 60)
        host.run("cloud-init status --wait")
        return host

    def apply(self, host: SshHost, tasks: Sequence[Task], listener: Any = lambda _event: None) -> Report:
        """Bring it to the state that tasks describe."""
        return apply(host, tasks, listener=listener, settings=self.settings, trust=self.trust)

    def pending(self, host: SshHost, tasks: Sequence[Task]) -> dict[str, list[str]]:
        """Give what a plan would change: keys that differ, by resource."""
        planned = plan(host, tasks, settings=self.settings, trust=self.trust)
        return {item.item.resource.name: [each.key for each in item.differences] for item in planned.pending}

    @property
    def trust(self) -> Trust:
        """What this sandbox's downloads and keys are."""
        return Trust(digests(self.folder), fingerprints(self.folder))

    @property
    def settings(self) -> EngineSettings:
        """Where this sandbox's mirror is."""
        return EngineSettings(mirror=mirror_address(self.folder))


def launched(cloud: Cloud, folder: Folder, source: SourceImage) -> Bench:
    """Launch a source image, found as a bake finds it."""
    clients = open_clients(AwsSettings(region=cloud.endpoint.region, endpoint_url=cloud.endpoint.url))
    return Bench(cloud, folder, cloud.running(resolve(clients, source).ami), source.user)
