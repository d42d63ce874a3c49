"""Who asks, what they may do, and how much of it: everybody is one user of one account, who may do everything.

Quotas are those that were ordered, and otherwise more than this machine can hold.
"""

from __future__ import annotations

import json
from types import ModuleType, SimpleNamespace
from typing import Any

from moto.core.base_backend import BackendDict, BaseBackend
from moto.core.responses import ActionResult
from moto.iam import urls as iam_urls
from moto.iam.models import IAMBackend, iam_backends
from moto.iam.responses import IamResponse
from moto.servicequotas import urls as quota_urls
from moto.servicequotas.models import ServiceQuotasBackend, servicequotas_backends
from moto.servicequotas.responses import ServiceQuotasResponse
from moto.sts import urls as sts_urls
from moto.sts.models import STSBackend, sts_backends
from moto.sts.responses import TokenResponse

from amiforge.ec2.preflight.quotas import GROUPS, group, quota_code
from amiforge.sandbox.api.account import Account
from amiforge.sandbox.faults import Quota

#: vCPUs of a quota of which nothing else was ordered.
_PLENTY = 1152.0


class Caller(TokenResponse):
    """STS: a caller that moto knows nothing of is an IAM user."""

    def get_caller_identity(self) -> ActionResult:
        """Say who asks."""
        result: Any = super().get_caller_identity().result
        arn = result["Arn"].replace(":sts::", ":iam::") if ":user/" in result["Arn"] else result["Arn"]
        return ActionResult({**result, "Arn": arn})


class Simulator(IamResponse):
    """IAM: whoever asks may do everything here."""

    def simulate_principal_policy(self) -> ActionResult:
        """Allow every action on every resource."""
        actions, resources = self._get_param("ActionNames", []), self._get_param("ResourceArns", ["*"])
        found = [
            {
                "EvalActionName": action,
                "EvalResourceName": resource,
                "EvalDecision": "allowed",
                "MatchedStatements": [],
                "MissingContextValues": [],
            }
            for action in actions
            for resource in resources
        ]
        return ActionResult({"EvaluationResults": found, "IsTruncated": False})


def answer_questions(account: Account) -> None:
    """Put these answers in the place of moto's."""

    class Quotas(ServiceQuotasResponse):
        """Service Quotas: what was ordered of EC2's."""

        def get_service_quota(self) -> str:
            """Give one."""
            asked = json.loads(self.body)
            if asked["ServiceCode"] != "ec2":
                return super().get_service_quota()
            value = quota(asked["QuotaCode"], account.faults.listing())
            return json.dumps(
                {"Quota": {"ServiceCode": "ec2", "QuotaCode": asked["QuotaCode"], "Value": value, "Unit": "None"}}
            )

    _serve(sts_backends, STSBackend, sts_urls, Caller.dispatch)
    _serve(iam_backends, IAMBackend, iam_urls, Simulator.dispatch)
    _serve(servicequotas_backends, ServiceQuotasBackend, quota_urls, Quotas.dispatch)


def quota(code: str, faults: list[dict[str, Any]]) -> float:
    """Give the vCPUs of a quota by its code, given the faults that stand."""
    ordered = [
        float(fault["vcpus"])
        for fault in faults
        if fault["kind"] == Quota.model_fields["kind"].default and code in _codes(fault)
    ]
    return min(ordered, default=_PLENTY)


def _codes(fault: dict[str, Any]) -> set[str]:
    found = group(fault["instance_type"])
    groups = [found] if found else list(GROUPS.values()) if fault["instance_type"].startswith("*") else []
    markets = ("on-demand", "spot") if fault["market"] == "*" else (fault["market"],)
    return {quota_code(each, market) for each in groups for market in markets}


def _serve(backends: BackendDict[Any], plain: type[BaseBackend], urls: ModuleType, dispatch: Any) -> None:
    class Ours(plain):  # type: ignore[misc,valid-type]
        """Moto's backend behind our answers."""

        @property
        def _url_module(self) -> Any:
            return SimpleNamespace(url_bases=urls.url_bases, url_paths={"{0}/$": dispatch})

    backends.clear()
    backends.backend = Ours
