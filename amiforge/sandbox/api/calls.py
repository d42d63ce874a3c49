"""EC2's operations where moto's answers are not EC2's: what a request says, and what comes back."""

from __future__ import annotations

import json
from typing import Any, cast

from botocore.model import OperationNotFoundError
from moto.core.responses import ActionResult, EmptyResult
from moto.core.types import Base64EncodedString
from moto.core.utils import utcnow
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.responses import EC2Response
from moto.ssm.models import ssm_backends

from amiforge.sandbox.api.backend import Launch, SandboxBackend
from amiforge.sandbox.api.image import SandboxImage

_INTERFACE = "network-interface"
_TAGGED_AT_LAUNCH = ("instance", "volume", _INTERFACE, "spot-instances-request", "elastic-gpu")


class _Calls(EC2Response):
    """What all our operations share."""

    @property
    def region_backend(self) -> SandboxBackend:
        """Give the backend of the request's region."""
        return cast("SandboxBackend", self.ec2_backend)

    def tags(self, *allowed: str) -> dict[str, dict[str, str]]:
        """Give the tags of a request by resource type; other types than those allowed are refused."""
        given = self._parse_tag_specification()
        for kind in given:
            if kind not in allowed:
                raise EC2ClientError(
                    "InvalidParameterValue", f"'{kind}' is not a valid taggable resource type for this operation."
                )
        return given


class InstanceCalls(_Calls):
    """RunInstances and the calls on running instances."""

    RESPONSE_KEY_PATH_TO_TRANSFORMER = {  # noqa: RUF012
        path: change
        for path, change in EC2Response.RESPONSE_KEY_PATH_TO_TRANSFORMER.items()
        if path != "RunInstances.Reservation.Instances.Instance.State"
    }

    def run_instances(self) -> ActionResult:
        """Launch; the same client token gives the same instances again."""
        self.params = _without_blanks(self.params)
        token = self._get_param("ClientToken")
        wanted = {key: value for key, value in self.params.items() if key not in ("ClientToken", "DryRun")}
        parameters = json.dumps(wanted, sort_keys=True, default=str)
        launches = self.region_backend.launches
        if token in launches and not self._get_param("DryRun"):
            return ActionResult(_again(launches[token], parameters))
        self._complete()
        result = super().run_instances()
        if token:
            launches[token] = Launch(parameters, cast("Any", result.result))
        return result

    def _complete(self) -> None:
        """Check what EC2 checks, and fill in what it takes from the image."""
        given = self.params
        given["ImageId"] = self._image_id(given)
        image = self.region_backend.image(given["ImageId"])
        kind = given.setdefault("InstanceType", "m1.small")
        _check_instance_type(kind, image)
        if "KeyName" in given:
            self.region_backend.describe_key_pairs([given["KeyName"]])
        given["MinCount"] = given.get("MaxCount", 1)
        self.tags(*_TAGGED_AT_LAUNCH)
        if "SubnetId" in given:
            self.region_backend.get_subnet(given["SubnetId"])

    def _image_id(self, given: dict[str, Any]) -> str:
        image_id = given.get("ImageId")
        if not image_id and (template := given.get("LaunchTemplate")):
            image_id = self.region_backend.template_image(template)
        if not image_id:
            raise EC2ClientError("MissingParameter", "The request must contain the parameter ImageId")
        if image_id.startswith("resolve:ssm:"):
            parameter = ssm_backends[self.current_account][self.region].get_parameter(image_id[12:])
            image_id = parameter.value if parameter else ""
        return str(image_id)

    def _parse_block_device_mapping(self) -> list[dict[str, Any]]:
        image = self.region_backend.image(self._get_param("ImageId"))
        devices = {mapping["DeviceName"]: dict(mapping["Ebs"]) for mapping in image.block_device_mappings}
        for mapping in self._get_param("BlockDeviceMappings", []):
            name = mapping.get("DeviceName")
            if "NoDevice" in mapping:
                devices.pop(name, None)
            elif "Ebs" in mapping:
                devices[name] = _merged(devices.get(name, {"DeleteOnTermination": False}), mapping["Ebs"])
        return [_for_moto(name, ebs) for name, ebs in devices.items()]

    def modify_instance_attribute(self) -> ActionResult:
        """Change an attribute, in either of the two forms that EC2 takes."""
        name = self._get_param("Attribute")
        if name:
            value = self._get_param("Value")
            self.params[name[0].upper() + name[1:]] = {
                "Value": value == "true" if value in ("true", "false") else value
            }
            del self.params["Attribute"]
        behaviour = self._get_param("InstanceInitiatedShutdownBehavior.Value")
        if behaviour is None:
            return super().modify_instance_attribute()
        if behaviour not in ("stop", "terminate"):
            raise EC2ClientError(
                "InvalidParameterValue", f"Invalid value '{behaviour}' for instanceInitiatedShutdownBehavior."
            )
        self.error_on_dryrun()
        self.region_backend.get_instance(self._get_param("InstanceId")).instance_initiated_shutdown_behavior = behaviour
        return EmptyResult()

    def stop_instances(self) -> ActionResult:
        """Stop, in order or by force."""
        self.error_on_dryrun()
        found = self.region_backend.stop_instances(
            self._get_param("InstanceIds", []), force=bool(self._get_param("Force"))
        )
        return ActionResult({"StoppingInstances": _changes(found)})

    def start_instances(self) -> ActionResult:
        """Start."""
        self.error_on_dryrun()
        found = self.region_backend.start_instances(self._get_param("InstanceIds", []))
        return ActionResult({"StartingInstances": _changes(found)})

    def terminate_instances(self) -> ActionResult:
        """Terminate."""
        self.error_on_dryrun()
        found = self.region_backend.terminate_instances(self._get_param("InstanceIds", []))
        return ActionResult({"TerminatingInstances": _changes(found)})

    def get_console_output(self) -> ActionResult:
        """Give what the machine really printed."""
        instance_id = self._get_param("InstanceId")
        output = self.region_backend.console(instance_id)
        encoded = Base64EncodedString.from_raw_string(output)
        return ActionResult({"InstanceId": instance_id, "Timestamp": utcnow(), "Output": encoded})


class ImageCalls(_Calls):
    """Images and snapshots."""

    def create_image(self) -> ActionResult:
        """Begin an image of an instance."""
        tags = self.tags("image", "snapshot")
        self.error_on_dryrun()
        image = self.region_backend.freeze(
            self._get_param("InstanceId"),
            self._get_param("Name"),
            self._get_param("Description", ""),
            tags=tags,
            reboot=not self._get_param("NoReboot"),
        )
        return ActionResult({"ImageId": image.id})

    def register_image(self) -> ActionResult:
        """Refuse: there is nothing an instance of such an image could boot."""
        raise NotImplementedError("RegisterImage")

    def copy_image(self) -> ActionResult:
        """Refuse: the sandbox has no second place to copy to."""
        raise NotImplementedError("CopyImage")

    def describe_images(self) -> ActionResult:
        """Describe, page by page if asked to."""
        found = cast("Any", super().describe_images().result)["Images"]
        first = int(self._get_param("NextToken", "0"))
        last = first + int(self._get_param("MaxResults", 1000))
        return ActionResult({"Images": found[first:last], "NextToken": str(last) if last < len(found) else None})

    def deregister_image(self) -> ActionResult:
        """Deregister, and delete the snapshots if asked to."""
        self.error_on_dryrun()
        image_id = self._get_param("ImageId")
        snapshots = self.region_backend.own_snapshots(image_id) if self._get_param("DeleteAssociatedSnapshots") else []
        self.region_backend.deregister_image(image_id)
        for snapshot in snapshots:
            self.region_backend.delete_snapshot(snapshot.id)
        deleted = [{"SnapshotId": snapshot.id, "ReturnCode": "success"} for snapshot in snapshots]
        return ActionResult({"Return": True, "DeleteSnapshotResults": deleted or None})

    def modify_image_attribute(self) -> ActionResult:
        """Change description, IMDS support or launch permissions."""
        image = self._own_image()
        named = {self._get_param("Attribute"): self._get_param("Value")}
        description = self._get_param("Description.Value", named.get("description"))
        imds = self._get_param("ImdsSupport.Value", named.get("imdsSupport"))
        if imds not in (None, "v2.0"):
            raise EC2ClientError("InvalidParameterValue", f"Value ({imds}) for parameter imdsSupport is invalid.")
        self.error_on_dryrun()
        if description is not None:
            image.description = description
        if imds is not None:
            image.imds_support = imds
        return super().modify_image_attribute()

    def describe_image_attribute(self) -> ActionResult:
        """Give one attribute; moto knows all but one."""
        if self._get_param("Attribute") != "imdsSupport":
            return super().describe_image_attribute()
        image = self._own_image()
        return ActionResult({"ImageId": image.id, "ImdsSupport": {"Value": image.imds_support}})

    def _own_image(self) -> SandboxImage:
        image = self.region_backend.describe_images([self._get_param("ImageId")])
        if not image or image[0].owner_id != self.current_account:
            raise EC2ClientError("AuthFailure", f"Not authorized for image:{self._get_param('ImageId')}")
        return cast("SandboxImage", image[0])

    def describe_snapshots(self) -> ActionResult:
        """Describe, of the owners asked for."""
        found = cast("Any", super().describe_snapshots().result)["Snapshots"]
        owners = [self.current_account if owner == "self" else owner for owner in self._get_param("OwnerIds", [])]
        return ActionResult({"Snapshots": [one for one in found if not owners or one.owner_id in owners]})


class KeyPairCalls(_Calls):
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
        return super().describe_key_pairs()

    def _name_of(self, key_id: str) -> str:
        for pair in self.region_backend.key_pairs.values():
            if pair.id == key_id:
                return str(pair.key_name)
        raise EC2ClientError("InvalidKeyPair.NotFound", f"The key pair ID '{key_id}' does not exist")


class SandboxCalls(InstanceCalls, ImageCalls, KeyPairCalls):
    """The EC2 service of the sandbox."""

    def _dispatch(self, request: Any, full_url: str | None = None, headers: Any = None) -> Any:
        try:
            return super()._dispatch(request, full_url, headers)
        except OperationNotFoundError:
            refusal = EC2ClientError(
                "InvalidAction", f"The action {self._get_action()} is not valid for this web service."
            )
        except NotImplementedError as missing:
            refusal = EC2ClientError(
                "UnsupportedOperation", f"The sandbox does not offer {self._get_action()} in this form: {missing}"
            )
        return self.serialized(ActionResult(refusal))


def _without_blanks(given: dict[str, Any]) -> dict[str, Any]:
    """Drop what is there and empty, as EC2 does; Packer sends every option that way. Lists stay as they are."""
    cut = {key: _without_blanks(value) if isinstance(value, dict) else value for key, value in given.items()}
    return {key: value for key, value in cut.items() if value not in ("", {}, [])}


def _again(launch: Launch, parameters: str) -> Any:
    if launch.parameters != parameters:
        raise EC2ClientError("IdempotentParameterMismatch", "The client token was used before with other parameters")
    if all(instance.state == "terminated" for instance in launch.reservation.instances):
        raise EC2ClientError(
            "IdempotentInstanceTerminated", "The instance launched with this client token is terminated"
        )
    return launch.reservation


def _check_instance_type(name: str, image: SandboxImage) -> None:
    kind = INSTANCE_TYPES.get(name)
    if not kind:
        raise EC2ClientError("InvalidParameterValue", f"Invalid value '{name}' for InstanceType.")
    architectures = kind["ProcessorInfo"]["SupportedArchitectures"]
    if image.architecture not in architectures:
        raise EC2ClientError(
            "InvalidParameterValue",
            f"The architecture '{','.join(architectures)}' of the specified instance type does not match "
            f"the architecture '{image.architecture}' of the specified AMI.",
        )


def _merged(of_image: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    ebs = {**of_image, **wanted}
    least = of_image.get("VolumeSize", 0)
    if not ebs.get("VolumeSize") and "SnapshotId" not in ebs:
        raise EC2ClientError("MissingParameter", "The request must contain the parameter size or snapshotId")
    if ebs.get("VolumeSize", least) < least:
        raise EC2ClientError(
            "InvalidBlockDeviceMapping",
            f"Volume of size {ebs['VolumeSize']}GB is smaller than snapshot '{ebs.get('SnapshotId')}', "
            f"expect size >= {least}GB",
        )
    return ebs


def _for_moto(name: str, ebs: dict[str, Any]) -> dict[str, Any]:
    # moto refuses what it cannot pass on (IOPS of a provisioned volume): the shape is set afterwards.
    kind = ebs.get("VolumeType", "gp3")
    shape = {"VolumeType": kind, "Iops": ebs.get("Iops"), "Throughput": ebs.get("Throughput")}
    if kind == "gp3":
        shape = {"VolumeType": kind, "Iops": ebs.get("Iops") or 3000, "Throughput": ebs.get("Throughput") or 125}
    return {"DeviceName": name, "Ebs": {**ebs, "VolumeType": None}, "Shape": shape}


def _changes(found: list[tuple[Any, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "InstanceId": instance.id,
            "CurrentState": {"Code": instance.state_code, "Name": instance.state},
            "PreviousState": {"Code": before.code, "Name": before.name},
        }
        for instance, before in found
    ]
