"""EC2's answer to what of the account refers to an image, which moto lacks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ssm.models import ssm_backends

from amiforge.sandbox.api.calls import Calls
from amiforge.sandbox.api.parameters import IMAGE, SandboxParameters

#: Image id and ARN of what refers to it.
Reference = tuple[str, str]
#: How many of the newest versions of a launch template are looked at, if not said.
_VERSIONS = 20


class ReferenceCalls(Calls):
    """Which instances, launch templates and parameters refer to images."""

    def describe_image_references(self) -> ActionResult:
        """Describe, page by page if asked to. There is no Image Builder here, so nothing of it refers to an image."""
        wanted = self._get_param("ImageIds", [])
        asked = {one["ResourceType"]: _options(one) for one in self._get_param("ResourceTypes", [])}
        kinds: dict[str, Callable[[dict[str, list[str]]], Iterator[Reference]]] = {
            "ec2:Instance": self._instances,
            "ec2:LaunchTemplate": self._templates,
            "ssm:Parameter": self._parameters,
        }
        if self._get_param("IncludeAllResourceTypes"):
            asked = {kind: asked.get(kind, {}) for kind in kinds}
        if not asked:
            raise EC2ClientError(
                "MissingParameter", "The request must contain IncludeAllResourceTypes or the parameter ResourceTypes"
            )
        found = [
            {"ImageId": image_id, "ResourceType": kind, "Arn": arn}
            for kind, options in asked.items()
            if kind in kinds
            for image_id, arn in kinds[kind](options)
            if image_id in wanted
        ]
        return self.page("ImageReferences", found)

    def _instances(self, options: dict[str, list[str]]) -> Iterator[Reference]:
        states = options.get("state-name", [])
        for one in self.region_backend.all_instances():
            if one.state in states or (not states and one.state != "terminated"):
                yield one.image_id, self._arn("ec2", f"instance/{one.id}")

    def _templates(self, options: dict[str, list[str]]) -> Iterator[Reference]:
        depth = int(options.get("version-depth", [str(_VERSIONS)])[0])
        for template in self.region_backend.launch_templates.values():
            images = {version.image_id for version in template.versions[-depth:]}
            yield from ((image_id, self._arn("ec2", f"launch-template/{template.id}")) for image_id in sorted(images))

    def _parameters(self, _: dict[str, list[str]]) -> Iterator[Reference]:
        there = cast("SandboxParameters", ssm_backends[self.current_account][self.region])
        for name, versions in there.own().items():
            if versions[-1].data_type == IMAGE:
                yield versions[-1].value, self._arn("ssm", f"parameter/{name.removeprefix('/')}")

    def _arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.current_account}:{resource}"


def _options(asked: dict[str, Any]) -> dict[str, list[str]]:
    return {one["OptionName"]: one["OptionValues"] for one in asked.get("ResourceTypeOptions", [])}
