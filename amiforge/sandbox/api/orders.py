"""Whether a fault that is ordered can come true here."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches
from functools import cache

from botocore.loaders import Loader

from amiforge.errors import ConfigError
from amiforge.sandbox.api.faults import matches
from amiforge.sandbox.faults import CallFault, FailedCopy, Fault, Harm, Late


def check(fault: Fault, services: Collection[str], regions: Collection[str], running: Collection[str]) -> None:
    """Refuse a fault that could never hit.

    Args:
        fault: what is ordered.
        services: the AWS services that are here, by the names that requests are signed with.
        regions: names of the regions that are here.
        running: ids of the instances that run.

    Raises:
        ConfigError: it names an operation, region or instance that is not there.
    """
    if isinstance(fault, CallFault) and fault.operation != "*":
        known = _operations(tuple(services))
        if fault.operation not in known:
            near = (
                ", ".join(get_close_matches(fault.operation, known)) or "its name as in the API, such as RunInstances"
            )
            raise ConfigError(
                f"OPERATION: there is none called {fault.operation!r}", fix=f"give {near}, or '*' for all"
            )
    region = fault.region if isinstance(fault, CallFault | Late | FailedCopy) else "*"
    if not any(matches(region, name) for name in regions):
        raise ConfigError(
            f"--region: there is none called {region!r}",
            fix=f"give {', '.join(get_close_matches(region, regions)) or 'a name such as us-west-2, or a pattern'}",
        )
    if isinstance(fault, Harm) and fault.instance and fault.instance not in running:
        raise ConfigError(
            f"--instance: {fault.instance} does not run in the sandbox",
            fix="see `amiforge sandbox status`; without --instance the next one launched is meant",
        )


@cache
def _operations(services: tuple[str, ...]) -> frozenset[str]:
    loader = Loader(include_default_search_paths=True)
    models = {name.replace("-", ""): name for name in loader.list_available_services("service-2")}
    found = (loader.load_service_model(models[one], "service-2") for one in services)
    return frozenset(name for model in found for name in model["operations"])
