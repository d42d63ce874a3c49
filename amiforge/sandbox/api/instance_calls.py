"""EC2's operations on instances, where moto's answers are not EC2's."""

from __future__ import annotations

import json
from typing import Any, cast

from moto.core.responses import ActionResult, EmptyResult
from moto.core.types import Base64EncodedString
from moto.core.utils import utcnow
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.responses import EC2Response
from moto.ssm.models import ssm_backends

from amiforge.sandbox.api.calls import Calls
from amiforge.sandbox.api.image import SandboxImage
from amiforge.sandbox.api.instances import Launch

_TAGGED_AT_LAUNCH = ("instance", "volume", "network-interface", "spot-instances-request", "elastic-gpu")


class InstanceCalls(Calls):
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
        self.region_backend.want(
            self._get_param("CapacityReservationSpecification.CapacityReservationTarget.CapacityReservationId", ""),
            self._get_param("CapacityReservationSpecification.CapacityReservationPreference", "open") == "open",
        )
        result = super().run_instances()
        if token:
            launches[token] = Launch(parameters, cast("Any", result.result))
        return result

    def _complete(self) -> None:
        """Check what EC2 checks, and fill in what it takes from the image."""
        given = self.params
        named = given.get("LaunchTemplate")
        template = self.region_backend.template(named) if named else {}
        given["ImageId"] = self._image_id(given.get("ImageId") or template.get("ImageId"))
        image = self.region_backend.image(given["ImageId"])
        kind = given.setdefault("InstanceType", template.get("InstanceType", "m1.small"))
        _check_instance_type(kind, image)
        if "KeyName" in given:
            self.region_backend.describe_key_pairs([given["KeyName"]])
        given["MinCount"] = given.get("MaxCount", 1)
        self.tags(*_TAGGED_AT_LAUNCH)
        if "SubnetId" in given:
            self.region_backend.get_subnet(given["SubnetId"])

    def _image_id(self, image_id: str | None) -> str:
        if not image_id:
            raise EC2ClientError("MissingParameter", "The request must contain the parameter ImageId")
        if image_id.startswith("resolve:ssm:"):
            parameter = ssm_backends[self.current_account][self.region].get_parameter(image_id[12:])
            image_id = parameter.value if parameter else ""
        return image_id or ""

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

    def describe_instances(self) -> ActionResult:
        """Describe, as far as they are known."""
        if "InstanceIds" in self.params and "MaxResults" in self.params:
            raise EC2ClientError("InvalidParameterCombination", "InstanceIds and MaxResults exclude each other")
        found, filters = self._get_param("InstanceIds", []), self._filters_from_querystring()
        backend = self.region_backend
        reservations = (
            backend.get_reservations_by_instance_ids(found, filters) if found else backend.all_reservations(filters)
        )
        for each in reservations:
            each.instances = self.known(each.instances, "id")
        return self.page("Reservations", [each for each in reservations if each.instances])

    def describe_network_interfaces(self) -> ActionResult:
        """Describe, page by page if asked to."""
        found = cast("Any", super().describe_network_interfaces().result)["NetworkInterfaces"]
        return self.page("NetworkInterfaces", found)

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
