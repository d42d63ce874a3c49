"""SSM's Parameter Store of one region: public parameters as AWS publishes them, and the account's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

from moto.ec2.models import ec2_backends
from moto.ssm import urls
from moto.ssm.models import Parameter, SimpleSystemManagerBackend

from amiforge.sandbox.api.account import ACCOUNT_ID, Account
from amiforge.sandbox.api.faults import Pause
from amiforge.sandbox.api.parameter_records import ParameterRecord
from amiforge.sandbox.api.records import now

#: The data type of parameters whose value is checked to be an image.
IMAGE = "aws:ec2:image"
#: Names of parameters that AWS publishes begin with this.
PUBLIC = "/aws/"
#: Seconds that the check takes at least.
_CHECKING = 0.1
_KEPT = ("parameter_type", "description", "allowed_pattern", "keyid", "version", "data_type", "labels", "tier")


class SandboxParameters(SimpleSystemManagerBackend):
    """The parameters of one region. All methods run under the account's lock.

    Args:
        region_name: the region.
        account_id: whose they are.
        account: where the account's own are kept.
        public: those that AWS publishes, by name.
        dispatch: what answers requests.
    """

    def __init__(
        self, region_name: str, account_id: str, account: Account, public: Mapping[str, str], dispatch: Any
    ) -> None:
        super().__init__(region_name, account_id)
        self._account = account
        self._dispatch = dispatch
        self._checking: list[Parameter] = []
        # moto's own lists name images that are not here
        self._parameters.latest_amis_loaded = self._parameters.latest_ecs_amis_loaded = True
        for name, value in public.items():
            fields = dict.fromkeys(_KEPT) | {"parameter_type": "String", "version": 1, "data_type": IMAGE}
            self._parameters[name].append(self._version(name, {**fields, "value": value, "modified": f"{now()}"}))
        for name, record in account.parameters.all(region_name).items() if account_id == ACCOUNT_ID else ():
            self._parameters[name].extend(self._version(name, one) for one in record["versions"])
            self._tags(name).update(record["tags"])

    def _version(self, name: str, kept: Mapping[str, Any]) -> Parameter:
        modified = datetime.fromisoformat(kept["modified"])
        fields = {field: kept[field] for field in _KEPT}
        return Parameter(  # type: ignore[abstract]
            account_id=self.account_id, name=name, value=kept["value"], last_modified_date=modified, **fields
        )

    @property
    def _url_module(self) -> Any:
        return SimpleNamespace(url_bases=urls.url_bases, url_paths={"{0}/$": self._dispatch})

    def own(self) -> dict[str, list[Parameter]]:
        """Give the versions of the account's own parameters by name, from the oldest to the newest."""
        there = {versions[-1].name: list(versions) for versions in self._parameters.values() if versions}
        return {name: versions for name, versions in there.items() if not name.startswith(PUBLIC)}

    def current(self, name: str) -> Parameter | None:
        """Give the newest version of a parameter; one that is still being checked is decided now."""
        for one in [one for one in self._checking if one.name == name]:
            self._decide(one)
        return self._parameters[name][-1] if self._parameters.get(name) else None

    def check(self, name: str) -> None:
        """Take the newest version back until it is known to be an image of the region.

        SSM validates such values after it has answered: a value that is no available image is answered with success,
        and never becomes the parameter's (API reference of PutParameter, DataType).
        """
        version = self._parameters[name].pop()
        self._drop_if_empty(name)
        self._checking.append(version)
        pause = self._account.faults.late("parameter", self.region_name)
        pause = replace(pause, seconds=pause.seconds + _CHECKING)
        Thread(target=self._finish, args=(version, pause), daemon=True).start()

    def _finish(self, version: Parameter, pause: Pause) -> None:
        pause.wait(Event())
        with self._account.lock:
            if version in self._checking:
                self._decide(version)
                self.save()

    def _decide(self, version: Parameter) -> None:
        self._checking.remove(version)
        image = ec2_backends[self.account_id][self.region_name].amis.get(version.value)
        if image is not None and image.state == "available":
            self._parameters[version.name].append(version)
        elif version.version == 1:
            self._tags(version.name).clear()

    def _tags(self, name: str) -> dict[str, str]:
        return self._resource_tags["Parameter"][name]

    def _drop_if_empty(self, name: str) -> None:
        if not self._parameters[name]:
            del self._parameters[self._parameters.normalize_name(name)]

    def save(self) -> None:
        """Write down the account's own parameters as they are now."""
        records = {name: self._record(name, versions) for name, versions in self.own().items()}
        self._account.parameters.save(self.region_name, records)

    def _record(self, name: str, versions: list[Parameter]) -> ParameterRecord:
        return {
            "tags": dict(self._tags(name)),
            "versions": [
                {
                    **{field: getattr(one, field) for field in _KEPT},
                    "labels": list(one.labels),
                    "value": one.decrypt(one.value),
                    "modified": one.last_modified_date.isoformat(),
                }
                for one in versions
            ],
        }
