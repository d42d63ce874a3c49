"""One region of the sandbox: moto's EC2, with instances that have machines and images that have file systems."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from moto.ec2 import urls

from amiforge.sandbox.api.account import ACCOUNT_ID, Account
from amiforge.sandbox.api.default_network import connect
from amiforge.sandbox.api.image import SandboxImage
from amiforge.sandbox.api.instances import Instances, Launch
from amiforge.sandbox.api.reserved import CapacityReservation


class SandboxBackend(Instances):
    """EC2 of one region. All methods run under the account's lock."""

    def __init__(self, region_name: str, account_id: str, account: Account, dispatch: Any) -> None:
        self.account = account
        self.tokens: dict[str, tuple[str, str]] = {}
        self.launches: dict[str, Launch] = {}
        self.reserved: dict[str, CapacityReservation] = {}
        self._dispatch = dispatch
        super().__init__(region_name, account_id)
        connect(self)
        for record in account.sources:
            self.amis[record.id] = SandboxImage(self, replace(record, region=region_name))
        if account_id == ACCOUNT_ID:
            for record in account.records.all():
                if record.region == region_name:
                    self.register(record)

    @property
    def _url_module(self) -> Any:
        return SimpleNamespace(url_bases=urls.url_bases, url_paths={"{0}/": self._dispatch})
