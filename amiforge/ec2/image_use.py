"""Who uses images of ours in a region: instances, launch templates, Auto Scaling groups, parameters, other accounts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from amiforge.ec2.refusal import code
from amiforge.ec2.session import Clients
from amiforge.errors import AwsRefused

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import LaunchTemplateVersionTypeDef

#: Values that one filter takes, and versions that one page holds. Source: EC2 API reference, "Filtering" and
#: DescribeLaunchTemplateVersions, parameter MaxResults.
MOST = 200
#: An image, and who uses it, in words.
Use = tuple[str, str]

#: States of an instance that will need its image no more.
_GONE = frozenset({"terminated"})
#: An endpoint that does not know a call has nothing to tell by it.
_UNKNOWN_CALL = frozenset({"UnsupportedOperation", "InvalidAction", "UnknownOperationException"})
#: What only DescribeImageReferences knows. Instances and templates are looked at here: it also gives templates' old
#: versions, which nothing launches any more.
_REFERRING = ("ssm:Parameter", "imagebuilder:ImageRecipe", "imagebuilder:ContainerRecipe")


def portions(ids: Sequence[str]) -> Iterator[list[str]]:
    """Divide ids into lists that a filter takes."""
    for first in range(0, len(ids), MOST):
        yield list(ids[first : first + MOST])


def instances(clients: Clients, images: Sequence[str]) -> Iterator[Use]:
    """Give the ids of instances that are not terminated, by their image."""
    pages = clients.ec2.get_paginator("describe_instances")
    for part in portions(images):
        for page in pages.paginate(Filters=[{"Name": "image-id", "Values": part}]):
            for reservation in page["Reservations"]:
                for each in reservation["Instances"]:
                    if each["State"]["Name"] not in _GONE:
                        yield each["ImageId"], each["InstanceId"]


def templates(clients: Clients, images: Collection[str]) -> Iterator[Use]:
    """Give launch templates whose default or latest version names an image.

    One that names its image by an SSM parameter uses what the parameter names.
    """
    pages = clients.ec2.get_paginator("describe_launch_template_versions")
    for page in pages.paginate(Versions=["$Default", "$Latest"], PaginationConfig={"PageSize": MOST}):
        yield from _naming(page["LaunchTemplateVersions"], images)


def scaling_groups(clients: Clients, images: Collection[str]) -> Iterator[Use]:
    """Give Auto Scaling groups that launch an image: by a template's version, by their own word, or by a configuration.

    A group that launches the default or the latest version of a template is not named: the template is.
    """
    if clients.autoscaling is None:
        return
    configurations: dict[str, str] = {}
    for page in clients.autoscaling.get_paginator("describe_launch_configurations").paginate():
        configurations |= {each["LaunchConfigurationName"]: each["ImageId"] for each in page["LaunchConfigurations"]}
    pages = clients.autoscaling.get_paginator("describe_auto_scaling_groups").paginate()
    groups = [group for page in pages for group in page["AutoScalingGroups"]]
    versions = {version for group in groups for version in _versions(group)}
    named = {version: _image_of(clients, *version) for version in versions}
    for group in groups:
        launched = {named[version] for version in _versions(group)}
        launched |= {each.get("ImageId", "") for each in _overrides(group)}
        launched.add(configurations.get(group.get("LaunchConfigurationName", ""), ""))
        for image in sorted(launched.intersection(images)):
            yield image, f"Auto Scaling group {group['AutoScalingGroupName']}"


def references(clients: Clients, images: Sequence[str]) -> Iterator[Use]:
    """Give parameters, as `parameter/NAME`, and Image Builder recipes that name an image, as far as EC2 knows."""
    for part in portions(images):
        pages = clients.ec2.get_paginator("describe_image_references")
        kinds: Any = [{"ResourceType": kind} for kind in _REFERRING]
        for page in pages.paginate(ImageIds=part, ResourceTypes=kinds):
            for each in page.get("ImageReferences", ()):
                yield each["ImageId"], each["Arn"].rpartition(":")[2]


def pointers(clients: Clients, path: str, images: Collection[str]) -> Iterator[Use]:
    """Give the SSM parameters below a path that name an image, whether as what is current or as what was before."""
    pages = clients.ssm.get_paginator("get_parameters_by_path")
    for page in pages.paginate(Path=path, Recursive=True):
        for parameter in page["Parameters"]:
            if parameter["Value"] in images:
                yield parameter["Value"], parameter["Name"]


def shares(clients: Clients, image: str) -> tuple[str, ...]:
    """Give who else may launch an image: accounts, ARNs of organizations and their units, and `all` for everybody.

    Raises:
        AwsRefused: EC2 refuses to say.
    """
    answer = clients.ec2.describe_image_attribute(ImageId=image, Attribute="launchPermission")
    return tuple(str(value) for each in answer.get("LaunchPermissions", ()) for value in each.values())


def not_offered(error: AwsRefused) -> bool:
    """Tell whether the endpoint just does not have a call, as against refusing it."""
    return code(error) in _UNKNOWN_CALL


def _naming(versions: Sequence[LaunchTemplateVersionTypeDef], images: Collection[str]) -> Iterator[Use]:
    for version in versions:
        image = version["LaunchTemplateData"].get("ImageId", "")
        if image in images:
            yield image, f"launch template {version['LaunchTemplateId']} version {version['VersionNumber']}"


def _mixed(group: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = group.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
    return found


def _overrides(group: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = _mixed(group).get("Overrides", ())
    return found


def _versions(group: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Give the templates that a group launches by the number of their version."""
    named = [group.get("LaunchTemplate"), _mixed(group).get("LaunchTemplateSpecification")]
    named += [each.get("LaunchTemplateSpecification") for each in _overrides(group)]
    for template in filter(None, named):
        if template.get("Version", "").isdigit():
            yield template["LaunchTemplateId"], template["Version"]


def _image_of(clients: Clients, template: str, version: str) -> str:
    """Give what a template's version names as its image; empty when the version is there no more."""
    try:
        found = clients.ec2.describe_launch_template_versions(LaunchTemplateId=template, Versions=[version])
    except AwsRefused as error:
        if code(error).endswith("NotFound"):
            return ""
        raise
    return found["LaunchTemplateVersions"][0]["LaunchTemplateData"].get("ImageId", "")
