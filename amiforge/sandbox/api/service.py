"""The EC2 service: moto's operations with ours in front, and refusals in EC2's form for what neither has."""

from __future__ import annotations

from typing import Any, cast

from botocore.model import OperationNotFoundError
from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError

from amiforge.sandbox.api.account_calls import AccountCalls
from amiforge.sandbox.api.calls import Calls
from amiforge.sandbox.api.image_calls import ImageCalls
from amiforge.sandbox.api.image_settings_calls import ImageSettingsCalls
from amiforge.sandbox.api.instance_calls import InstanceCalls
from amiforge.sandbox.api.reference_calls import ReferenceCalls
from amiforge.sandbox.api.reserved_calls import ReservedCalls


class KeyPairCalls(Calls):
    """Key pairs by id as well as by name."""

    def delete_key_pair(self) -> ActionResult:
        """Delete; a name that is not there is fine, an id is not."""
        key_id = self._get_param("KeyPairId")
        if key_id:
            self.params["KeyName"] = self._name_of(key_id)
        return super().delete_key_pair()

    def describe_key_pairs(self) -> ActionResult:
        """Describe, by names and ids."""
        for key_id in self._get_param("KeyPairIds", []):
            self.params.setdefault("KeyNames", []).append(self._name_of(key_id))
        result = cast("Any", super().describe_key_pairs().result)
        return ActionResult({"KeyPairs": self.known(result["KeyPairs"], "id")})

    def create_key_pair(self) -> ActionResult:
        """Create."""
        return self._made(super().create_key_pair())

    def import_key_pair(self) -> ActionResult:
        """Import."""
        return self._made(super().import_key_pair())

    def _made(self, result: ActionResult) -> ActionResult:
        pair = self.region_backend.key_pairs[self._get_param("KeyName")]
        self.region_backend.account.news.made("key-pair", pair.id, pair.key_name)
        return result

    def _name_of(self, key_id: str) -> str:
        for pair in self.region_backend.key_pairs.values():
            if pair.id == key_id:
                return str(pair.key_name)
        raise EC2ClientError("InvalidKeyPair.NotFound", f"The key pair ID '{key_id}' does not exist")


class SecurityGroupCalls(Calls):
    """Security groups that may be too new to be known."""

    def create_security_group(self) -> ActionResult:
        """Create."""
        result = super().create_security_group()
        group_id = cast("Any", result.result)["GroupId"]
        self.region_backend.account.news.made("security-group", group_id, self._get_param("GroupName"))
        return result

    def describe_security_groups(self) -> ActionResult:
        """Describe, as far as they are known."""
        found = cast("Any", super().describe_security_groups().result)["SecurityGroups"]
        return self.page("SecurityGroups", self.known(found, "id"))


#: Operations that look at their parameters before they say that they would have been carried out.
_CHECKED = (
    "RunInstances",
    "CreateImage",
    "CopyImage",
    "ModifyImageAttribute",
    "ModifyInstanceAttribute",
    "CreateTags",
    "DeleteTags",
)


class SandboxCalls(
    InstanceCalls,
    ImageCalls,
    ImageSettingsCalls,
    ReferenceCalls,
    KeyPairCalls,
    SecurityGroupCalls,
    ReservedCalls,
    AccountCalls,
):
    """The EC2 service of the sandbox."""

    def call_action(self) -> Any:
        """Carry a call out, or say that it would have been."""
        if self._get_param("DryRun") and self._get_action() not in _CHECKED:
            self.error_on_dryrun()
        return super().call_action()

    def _dispatch(self, request: Any, full_url: str | None = None, headers: Any = None) -> Any:
        try:
            return super()._dispatch(request, full_url, headers)
        except EC2ClientError as only:
            refusal = only
        except OperationNotFoundError:
            refusal = EC2ClientError(
                "InvalidAction", f"The action {self._get_action()} is not valid for this web service."
            )
        except NotImplementedError as missing:
            refusal = EC2ClientError(
                "UnsupportedOperation", f"The sandbox does not offer {self._get_action()} in this form: {missing}"
            )
        return self.serialized(ActionResult(refusal))
