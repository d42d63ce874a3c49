"""Tags: how everything that a bake makes is found again, by anybody, without its journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_ec2.literals import ResourceTypeType
    from mypy_boto3_ec2.type_defs import FilterTypeDef, TagSpecificationTypeDef

    from amiforge.ec2.session import Clients

RUN = "amiforge:run"
ROLE = "amiforge:role"
EXPIRES = "amiforge:expires"
STATE = "amiforge:state"
#: Why an image is not verified.
REASON = "amiforge:reason"

#: What an image is, on it, its snapshots and its copies.
RECIPE = "amiforge:recipe"
OS = "amiforge:os"
ARCH = "amiforge:arch"
#: Of everything that decides what is on it.
FINGERPRINT = "amiforge:fingerprint"
#: The image that it was made of.
SOURCE = "amiforge:source"
#: The git commit that it was made from.
COMMIT = "amiforge:commit"
#: The image, in another region, that it is a copy of.
COPY_OF = "amiforge:copy-of"
#: What it was published as.
CHANNEL = "amiforge:channel"
#: Since when an image is disabled because it is to be removed.
DISABLED = "amiforge:disabled"


@dataclass(frozen=True, slots=True)
class Tags:
    """The tags of one run. `expires` is an ISO time in UTC, after which anybody may remove what bears them."""

    run: str
    expires: str
    extra: Mapping[str, str] = field(default_factory=dict)

    def specification(self, role: str, *types: ResourceTypeType, **more: str) -> list[TagSpecificationTypeDef]:
        """Give what a creating call needs to tag these types of things from their first moment on."""
        pairs = {**self.extra, "Name": f"amiforge-{self.run}-{role}", RUN: self.run, ROLE: role, **more}
        tags = [{"Key": key, "Value": value} for key, value in pairs.items()]
        return [{"ResourceType": kind, "Tags": tags} for kind in types]  # type: ignore[typeddict-item]

    def temporary(self, role: str, *types: ResourceTypeType, **more: str) -> list[TagSpecificationTypeDef]:
        """Give the same for things that must not outlive the run."""
        return self.specification(role, *types, **{EXPIRES: self.expires, **more})

    def borne_by(self, described: Mapping[str, Any]) -> bool:
        """Tell whether something that EC2 describes is of this run."""
        return {"Key": RUN, "Value": self.run} in described.get("Tags", ())

    def filters(self, role: str = "") -> list[FilterTypeDef]:
        """Give the filters that find what bears them, of one role or of all."""
        found: list[FilterTypeDef] = [{"Name": f"tag:{RUN}", "Values": [self.run]}]
        if role:
            found.append({"Name": f"tag:{ROLE}", "Values": [role]})
        return found


def prolong(clients: Clients, tags: Tags, expires: str) -> None:
    """Write a later time of expiry onto everything of a run that has one."""
    filters: list[FilterTypeDef] = [{"Name": "key", "Values": [RUN]}, {"Name": "value", "Values": [tags.run]}]
    found = clients.ec2.get_paginator("describe_tags").paginate(Filters=filters)
    resources = [tag["ResourceId"] for page in found for tag in page["Tags"]]
    if resources:
        clients.ec2.create_tags(Resources=resources, Tags=[{"Key": EXPIRES, "Value": expires}])
