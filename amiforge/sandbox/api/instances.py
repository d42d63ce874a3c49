"""The instances of one region: each has an address and a machine, and obeys in the states EC2 allows."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from moto.ec2.exceptions import DependencyViolationError, EC2ClientError
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.models.instances import Instance, InstanceState, Reservation
from moto.ec2.models.security_groups import SecurityGroup

from amiforge.sandbox.api.capacity import Demand, check_quota, find_room
from amiforge.sandbox.api.copies import Copies
from amiforge.sandbox.api.image import SandboxImage
from amiforge.sandbox.api.life import Life
from amiforge.sandbox.api.records import now
from amiforge.sandbox.api.reserved import BLOCK, CapacityReservation, reservation_for
from amiforge.sandbox.api.spot import SpotRequest

_ONE_TIME = (
    "You can't stop the Spot Instance '{}' because it is associated with a one-time Spot Instance request. You can "
    "only stop Spot Instances associated with persistent Spot Instance requests."
)
_ALIVE = ("pending", "running", "stopping", "stopped")
_FILTERS: dict[str, Callable[[Instance], object]] = {
    "client-token": lambda instance: instance.client_token,
    "instance-state-code": lambda instance: str(instance.state_code),
    "root-device-name": lambda instance: instance.root_device_name,
    "instance-lifecycle": lambda instance: instance.lifecycle,
}


@dataclass(frozen=True, slots=True)
class Launch:
    """What a client token stands for: the request's parameters, and the reservation they led to."""

    parameters: str
    reservation: Reservation


class Instances(Copies):
    """EC2 of one region as far as instances go. All methods run under the account's lock."""

    launches: dict[str, Launch]
    reserved: dict[str, CapacityReservation]
    spot_instance_requests: dict[str, Any]
    _wanted: tuple[str, bool] = ("", True)

    def run_instances(
        self, image_id: str, count: int, user_data: Any, security_group_names: list[str], **kwargs: Any
    ) -> Reservation:
        """Make instances as moto does, give each its address and machine, and boot them."""
        image = self.image(image_id)
        demand, reservation_id = self._place(self._demand(count, kwargs))
        kwargs["placement"] = find_room(self.account.faults, demand, self._zones())
        check_quota(self.account.faults, demand, self._in_use())
        before = set(self.reservations)
        try:
            reservation = super().run_instances(image_id, count, user_data, security_group_names, **kwargs)
            for instance in reservation.instances:
                self._buy(instance, demand.market, reservation_id, kwargs["tags"])
                self._settle_in(instance, image, kwargs)
        except Exception:
            for half_made in set(self.reservations) - before:
                self._undo(self.reservations[half_made])
                del self.reservations[half_made]
            raise
        image.last_launched = now()
        for instance in reservation.instances:
            life = self.account.lives[instance.id]
            for harm, course in self.account.faults.harms(instance.get_tags()):
                life.befall(harm, course)
            life.start()
            self.account.news.made("instance", instance.id)
        return reservation

    def _demand(self, count: int, options: dict[str, Any]) -> Demand:
        subnet_id = options["subnet_id"] or next((n["SubnetId"] for n in options["nics"] if "SubnetId" in n), None)
        zone = self.get_subnet(subnet_id).availability_zone if subnet_id else options["placement"]
        market = options["instance_market_options"] or "on-demand"
        return Demand(options["instance_type"], (zone,) if zone else self._zones(), market, count)

    def want(self, reservation_id: str, open_to_any: bool) -> None:
        """Say which capacity reservation the next launch is to go into, and whether any that fits will do."""
        self._wanted = reservation_id, open_to_any

    def in_reservation(self, reservation_id: str) -> int:
        """Count the instances that run in a capacity reservation."""
        return sum(getattr(one, "capacity_reservation_id", None) == reservation_id for one in self._in_use())

    def _place(self, demand: Demand) -> tuple[Demand, str | None]:
        """Find the capacity reservation that a launch goes into, if any; it fixes zone and market."""
        (target, open_to_any), self._wanted = self._wanted, ("", True)
        found = reservation_for(demand, target, open_to_any, self.reserved.values())
        if not found:
            return demand, None
        market = BLOCK if found.reservation_type == BLOCK else "capacity-reservation"
        return replace(demand, zones=(found.availability_zone,), market=market), found.id

    def _buy(self, instance: Instance, market: str, reservation_id: str | None, tags: dict[str, Any]) -> None:
        bought: Any = instance  # moto's class lacks these
        bought.lifecycle = market if market in ("spot", BLOCK) else None
        bought.capacity_reservation_id = reservation_id
        if market == "spot":
            request = SpotRequest(instance, tags.get("spot-instances-request", {}))
            self.spot_instance_requests[request.id] = request
            bought.spot_instance_request_id = request.id

    def cancel_spot_instance_requests(self, request_ids: list[str]) -> list[Any]:
        """Cancel; the instances stay."""
        for request_id in request_ids:
            if request_id not in self.spot_instance_requests:
                raise EC2ClientError(
                    "InvalidSpotInstanceRequestID.NotFound",
                    f"The spot instance request ID '{request_id}' does not exist",
                )
            self.spot_instance_requests[request_id].cancelled = True
        return [self.spot_instance_requests[request_id] for request_id in request_ids]

    def _zones(self) -> tuple[str, ...]:
        return tuple(sorted(self.get_default_subnets()))

    def _in_use(self) -> list[Instance]:
        """List the instances that count against quotas and reservations; those that are stopped do not."""
        return [one for one in self.all_instances() if one.state in ("pending", "running")]

    def _settle_in(self, instance: Instance, image: SandboxImage, options: dict[str, Any]) -> None:
        address = self.account.addresses.take()
        for nic in instance.nics.values():
            nic.add_tags(options["tags"].get("network-interface", {}))
            nic.delete_on_termination = _goes_with_instance(nic, options["nics"])
        primary = instance.nics[0]
        primary.private_ip_address = primary.public_ip = address
        primary.public_ip_auto_assign = False
        primary.private_ip_addresses = [{"Primary": True, "PrivateIpAddress": address}]
        if not instance.security_groups:
            instance.security_groups = list(primary.group_set)
        for device in options.get("block_device_mappings", ()):
            self._shape_volume(instance, device)
        machine = self.account.machines.create(
            instance.id,
            image.record.layers,
            address=address,
            user_data=_decoded(instance.user_data),
            public_keys=self._public_keys(instance.key_name),
        )
        self.account.lives[instance.id] = Life(instance, machine, image.record.layers, address, self.account)

    def _shape_volume(self, instance: Instance, device: dict[str, Any]) -> None:
        block = instance.block_device_mapping[device["DeviceName"]]
        volume, wanted = self.volumes[block.volume_id], device["Shape"]
        volume.volume_type = wanted["VolumeType"]
        volume.iops, volume.throughput = wanted.get("Iops"), wanted.get("Throughput")

    def _public_keys(self, name: str | None) -> tuple[str, ...]:
        return (self.key_pairs[name].public_key.strip(),) if name else ()

    def _undo(self, reservation: Reservation) -> None:
        for instance in reservation.instances:
            if life := self.account.lives.pop(instance.id, None):
                life.end()
            self.account.addresses.give_back(instance.private_ip or "")
            self.spot_instance_requests.pop(getattr(instance, "spot_instance_request_id", ""), None)
            instance.terminate()

    def start_instances(self, instance_ids: list[str]) -> list[tuple[Instance, InstanceState]]:
        """Start what is stopped; refuse what is on its way down."""
        found = self._in_states(instance_ids, ("stopped", "pending", "running"), "started")
        for one in found:
            if one.state == "stopped":
                demand = Demand(one.instance_type, (str(one.placement.zone),), one.lifecycle or "on-demand")
                find_room(self.account.faults, demand, self._zones())
                check_quota(self.account.faults, demand, self._in_use())
        return [self._order(one, one.state == "stopped", lambda life: life.start()) for one in found]

    def stop_instances(self, instance_ids: list[str], *, force: bool = False) -> list[tuple[Instance, InstanceState]]:
        """Stop what runs; refuse what is not there yet or any more."""
        found = self._in_states(instance_ids, ("running", "stopping", "stopped"), "stopped")
        for one in found:
            if one.lifecycle == "spot":
                raise EC2ClientError("UnsupportedOperation", _ONE_TIME.format(one.id))
            if one.disable_api_stop:
                raise _protected(one, "stopped", "disableApiStop")
        return [self._order(one, one.state == "running", lambda life: life.stop(force=force)) for one in found]

    def terminate_instances(self, instance_ids: list[str]) -> list[tuple[Instance, InstanceState]]:
        """Terminate; nothing happens to what is gone already."""
        found = self.get_multi_instances_by_id(instance_ids)
        for one in found:
            if one.disable_api_termination:
                raise _protected(one, "terminated", "disableApiTermination")
        return [self._order(one, one.state in _ALIVE, lambda life: life.terminate()) for one in found]

    def reboot_instances(self, instance_ids: list[str]) -> list[Instance]:
        """Reboot what runs."""
        found = self._in_states(instance_ids, ("running",), "rebooted")
        return [self._order(one, True, lambda life: life.reboot())[0] for one in found]

    def _in_states(self, instance_ids: list[str], states: tuple[str, ...], done: str) -> list[Instance]:
        found = self.get_multi_instances_by_id(instance_ids)
        for one in found:
            if one.state not in states:
                raise EC2ClientError(
                    "IncorrectInstanceState", f"The instance '{one.id}' is not in a state from which it can be {done}."
                )
        return found

    def _order(self, instance: Instance, wanted: bool, order: Callable[[Life], None]) -> tuple[Instance, InstanceState]:
        before = InstanceState(instance.state, instance.state_code)
        if wanted:
            order(self.account.lives[instance.id])
        return instance, before

    def template(self, named: dict[str, Any]) -> dict[str, Any]:
        """Give what a launch template says."""
        content: dict[str, Any] = self._get_template_from_args(named).data
        return content

    def console(self, instance_id: str) -> str:
        """Give what the instance's machine printed; nothing once it is terminated."""
        instance = self.get_instance(instance_id)
        life = self.account.lives.get(instance.id)
        return life.machine.console() if life else ""

    def all_reservations(self, filters: Any = None) -> list[Reservation]:
        """Find reservations, by filters moto lacks as well."""
        found = super().all_reservations(_known_to_moto(filters))
        return list(_matching(found, filters))

    def get_reservations_by_instance_ids(self, instance_ids: list[str], filters: Any = None) -> list[Reservation]:
        """Find the reservations of some instances, by filters moto lacks as well."""
        found = super().get_reservations_by_instance_ids(instance_ids, filters=_known_to_moto(filters))
        return list(_matching(found, filters))

    def delete_security_group(self, name: str | None = None, group_id: str | None = None) -> None:
        """Delete a group that no instance uses."""
        group = self.get_security_group_by_name_or_id(group_id or name or "")
        if group and any(group in _groups(one) for one in self.all_instances() if one.state != "terminated"):
            raise DependencyViolationError(f"resource {group.id} has a dependent object")
        super().delete_security_group(name, group_id)


def _protected(instance: Instance, done: str, attribute: str) -> EC2ClientError:
    return EC2ClientError(
        "OperationNotPermitted",
        f"The instance '{instance.id}' may not be {done}. Modify its '{attribute}' instance attribute and try again.",
    )


def _groups(instance: Instance) -> set[SecurityGroup]:
    return {*instance.security_groups, *(group for nic in instance.nics.values() for group in nic.group_set)}


def _goes_with_instance(nic: NetworkInterface, wanted: list[dict[str, Any]]) -> bool:
    """Whether a network interface ends with its instance: what was made for it does, unless said otherwise."""
    return not any(
        one.get("NetworkInterfaceId") == nic.id
        or (one.get("DeviceIndex") == nic.device_index and one.get("DeleteOnTermination") is False)
        for one in wanted
    )


def _decoded(user_data: Any) -> bytes:
    return base64.b64decode(str(user_data)) if user_data else b""


def _known_to_moto(filters: Any) -> Any:
    return {name: values for name, values in filters.items() if name not in _FILTERS} if filters else filters


def _matching(reservations: Iterable[Reservation], filters: Any) -> Iterator[Reservation]:
    ours = {name: values for name, values in (filters or {}).items() if name in _FILTERS}
    for reservation in reservations:
        reservation.instances = [
            one for one in reservation.instances if all(_FILTERS[name](one) in values for name, values in ours.items())
        ]
        if reservation.instances or not ours:
            yield reservation
