"""Spot requests: what RunInstances leaves behind when it buys in the spot market."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from moto.ec2.models.core import TaggedEC2Resource
from moto.ec2.models.instances import Instance
from moto.ec2.utils import random_spot_request_id


class SpotRequest(TaggedEC2Resource):
    """The one-time request behind one spot instance."""

    def __init__(self, instance: Instance, tags: dict[str, str]) -> None:
        self.ec2_backend = instance.ec2_backend
        self.id = self.spot_instance_request_id = random_spot_request_id()
        self.instance = instance
        self.instance_id = instance.id
        self.type = "one-time"
        self.product_description = "Linux/UNIX"
        self.instance_interruption_behavior = "terminate"
        self.create_time = datetime.now(UTC)
        self.cancelled = False
        self.add_tags(tags)

    @property
    def launched_availability_zone(self) -> str | None:
        """Give the zone of its instance."""
        zone: str | None = self.instance.placement.zone
        return zone

    @property
    def state(self) -> str:
        """Give its state as EC2 names it: a one-time request ends with its instance."""
        if self.cancelled:
            return "cancelled"
        return "closed" if self.instance.state == "terminated" else "active"

    @property
    def status(self) -> dict[str, Any]:
        """Give its status."""
        codes = {"active": "fulfilled", "closed": "instance-terminated-by-user"}
        code = codes.get(self.state, "request-canceled-and-instance-running")
        return {"Code": code, "Message": "", "UpdateTime": self.create_time}

    def get_filter_value(self, filter_name: str, method_name: str | None = None) -> Any:
        """Give what a filter compares with."""
        match filter_name:
            case "state" | "instance-id":
                return getattr(self, filter_name.replace("-", "_"))
            case "spot-instance-request-id":
                return self.id
            case _:
                return super().get_filter_value(filter_name, method_name)
