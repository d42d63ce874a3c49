"""`amiforge sandbox faults`: order failures from the EC2 on this machine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from amiforge.cli.options import Json
from amiforge.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from amiforge.sandbox.endpoint import Endpoint
    from amiforge.sandbox.faults import Fault, LateState

app = typer.Typer(help="Failures to rehearse.", no_args_is_help=True, rich_markup_mode=None)
add = typer.Typer(
    help="Order a failure from the sandbox that runs: before a bake, or during one.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(add, name="add", short_help="Order one.")

Seconds = Annotated[float, typer.Argument(metavar="SECONDS", min=0, help="How long.", show_default=False)]
Operation = Annotated[
    str, typer.Argument(metavar="OPERATION", help="As in the API: CreateImage; '*' is every one.", show_default=False)
]
Region = Annotated[str, typer.Option("--region", metavar="REGION", help="Only there, as us-west-2, 'eu-*'.")]
InstanceType = Annotated[str, typer.Option("--type", metavar="TYPE", help="Only for these, as 'p5.*'.")]
Times = Annotated[int | None, typer.Option("--times", metavar="N", min=1, help="How often; otherwise until cleared.")]
Once = Annotated[int, typer.Option("--times", metavar="N", min=1, help="How often.")]
Skip = Annotated[int, typer.Option("--skip", metavar="N", min=0, help="Let so many calls through first.")]
Expiry = Annotated[Literal["RequestExpired", "ExpiredToken"], typer.Option("--code", help="How it is said.")]
Message = Annotated[str, typer.Option("--message", metavar="TEXT", help="EC2's message.", show_default=False)]


@app.command("list", short_help="Show what is ordered.")
def list_faults(as_json: Json = False) -> None:
    """Show the failures that are ordered and can still happen, and those that last."""
    from amiforge.cli.table import print_table
    from amiforge.sandbox import orders

    found = orders.listing(_endpoint())
    if as_json:
        typer.echo(json.dumps(found))
    elif found:
        print_table(("FAULT", "OF", "LEFT"), map(_row, found))
    else:
        typer.echo("none ordered")


@app.command(short_help="Drop all.")
def clear() -> None:
    """Drop all failures, and end those that last."""
    from amiforge.sandbox import orders

    orders.clear(_endpoint())


@add.command(short_help="Carry a call out, and lose its answer.")
def lost(operation: Operation, region: Region = "*", skip: Skip = 0, times: Once = 1) -> None:
    """Carry the next call out and drop the connection instead of answering."""
    from amiforge.sandbox.faults import CallFault

    order(CallFault(operation=operation, region=region, skip=skip, times=times, lost=True))


@add.command(short_help="Refuse a call.")
def error(
    operation: Operation,
    code: Annotated[str, typer.Option("--code", metavar="CODE", help="EC2's code.")] = "InternalError",
    message: Message = "An internal error has occurred",
    region: Region = "*",
    skip: Skip = 0,
    times: Once = 1,
) -> None:
    """Refuse the next call with an error code, such as UnauthorizedOperation or RequestLimitExceeded."""
    from amiforge.sandbox.faults import CallFault

    order(CallFault(operation=operation, region=region, error=code, message=message, skip=skip, times=times))


@add.command(short_help="Refuse every n-th call as too many.")
def throttle(
    every: Annotated[int, typer.Argument(metavar="N", min=1, help="Every n-th.", show_default=False)],
    operation: Annotated[str, typer.Option("--operation", metavar="OPERATION", help="Only of this operation.")] = "*",
    region: Region = "*",
    times: Times = None,
) -> None:
    """Refuse every n-th call with RequestLimitExceeded."""
    from amiforge.sandbox.faults import CallFault

    order(
        CallFault(
            operation=operation,
            region=region,
            error="RequestLimitExceeded",
            message="Request limit exceeded.",
            every=every,
            times=times,
        )
    )


@add.command(short_help="Let credentials be expired for a while.")
def expired(
    seconds: Seconds,
    code: Expiry = "RequestExpired",
) -> None:
    """Refuse every call for a while, because credentials have expired."""
    from amiforge.sandbox.faults import CallFault

    message = {"RequestExpired": "Request has expired.", "ExpiredToken": "The provided token has expired."}[code]
    order(CallFault(operation="*", error=code, message=message, seconds=seconds, times=None))


@add.command("no-room", short_help="Have no capacity for an instance type.")
def no_room(
    instance_type: Annotated[str, typer.Argument(metavar="TYPE", help="As m6i.4xlarge, 'p5.*'.", show_default=False)],
    zone: Annotated[str, typer.Option("--zone", metavar="ZONE", help="Only in this one, as us-east-1a.")] = "*",
    market: Annotated[
        Literal["*", "on-demand", "spot", "capacity-reservation", "capacity-block"],
        typer.Option("--market", help="Only in this one; otherwise where nothing was reserved."),
    ] = "*",
    times: Times = None,
) -> None:
    """Refuse launches with InsufficientInstanceCapacity."""
    from amiforge.sandbox.faults import NoRoom

    order(NoRoom(instance_type=instance_type, zone=zone, market=market, times=times))


@add.command(short_help="Limit the vCPUs in use.")
def quota(
    vcpus: Annotated[int, typer.Argument(metavar="VCPUS", min=0, help="That may run at once.", show_default=False)],
    instance_type: InstanceType = "*",
    market: Annotated[Literal["on-demand", "spot"], typer.Option("--market", help="In which market.")] = "on-demand",
) -> None:
    """Refuse launches that need more vCPUs with VcpuLimitExceeded, or with MaxSpotInstanceCountExceeded."""
    from amiforge.sandbox.faults import Quota

    order(Quota(vcpus=vcpus, instance_type=instance_type, market=market))


@add.command("late-image", short_help="Let images stay pending.")
def late_image(seconds: Seconds, times: Times = None) -> None:
    """Let images stay `pending` for longer; `clear` makes them available."""
    _late("image", seconds, times)


@add.command("late-copy", short_help="Let copies of images stay pending.")
def late_copy(seconds: Seconds, region: Region = "*", times: Times = None) -> None:
    """Let copies of images stay `pending` for longer; `clear` makes them available."""
    _late("copy", seconds, times, region)


@add.command("late-pointer", short_help="Let SSM check image ids for longer.")
def late_pointer(seconds: Seconds, region: Region = "*", times: Times = None) -> None:
    """Let SSM parameters that name images keep their old value for longer, after PutParameter was answered."""
    _late("parameter", seconds, times, region)


@add.command("late-instance", short_help="Let instances stay pending.")
def late_instance(seconds: Seconds, times: Times = None) -> None:
    """Let instances stay `pending` for longer, while they boot."""
    _late("pending", seconds, times)


@add.command("late-stop", short_help="Let instances stay stopping.")
def late_stop(seconds: Seconds, times: Times = None) -> None:
    """Let instances stay `stopping` for longer."""
    _late("stopping", seconds, times)


@add.command("late-end", short_help="Let instances stay shutting-down.")
def late_end(seconds: Seconds, times: Times = None) -> None:
    """Let instances stay `shutting-down` for longer."""
    _late("shutting-down", seconds, times)


@add.command("failed-image", short_help="Let an image fail.")
def failed_image(
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Its state reason.")] = (
        "Client.InternalError: the snapshot of a volume failed"
    ),
    times: Once = 1,
) -> None:
    """Let the next image end as `failed`."""
    from amiforge.sandbox.faults import FailedImage

    order(FailedImage(reason=reason, times=times))


@add.command("failed-copy", short_help="Let a copy of an image fail.")
def failed_copy(
    region: Region = "*",
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Its state reason.")] = (
        "Copy image failed with an internal error."
    ),
    times: Once = 1,
) -> None:
    """Let the next copy of an image end as `failed`."""
    from amiforge.sandbox.faults import FailedCopy

    order(FailedCopy(reason=reason, region=region, times=times))


@add.command("failed-launch", short_help="End an instance at its launch.")
def failed_launch(
    code: Annotated[str, typer.Option("--code", metavar="CODE", help="Of its state reason.")] = "Server.InternalError",
    message: Message = "",
    instance_type: InstanceType = "*",
    times: Once = 1,
) -> None:
    """Let the next instance go from `pending` to `terminated`."""
    from amiforge.sandbox.faults import FailedLaunch

    order(FailedLaunch(code=code, message=message, instance_type=instance_type, times=times))


@add.command(short_help="Do not know yet what was just made.")
def lag(
    resource: Annotated[
        Literal["*", "instance", "image", "snapshot", "key-pair", "security-group"],
        typer.Option("--resource", help="Only of this kind."),
    ] = "*",
    looks: Annotated[int, typer.Option("--looks", metavar="N", min=0, help="For so many looks at it.")] = 0,
    seconds: Annotated[float, typer.Option("--for", metavar="SECONDS", min=0, help="For so long.")] = 0.0,
    times: Times = None,
) -> None:
    """Do not know what was just made: by its id it is not found, in a list it is missing."""
    from amiforge.sandbox.faults import Lag

    if not looks and not seconds:
        raise ConfigError("lag: neither --looks nor --for is given", fix="say for how long, as --looks 3")
    order(Lag(resource=resource, looks=looks, seconds=seconds, times=times))


def _late(what: LateState, seconds: float, times: int | None, region: str = "*") -> None:
    from amiforge.sandbox.faults import Late

    order(Late(what=what, seconds=seconds, region=region, times=times))


def order(fault: Fault) -> None:
    """Order a fault from the sandbox that runs.

    Raises:
        UsageError: none runs.
        ConfigError: the fault names something that is not there.
    """
    from amiforge.sandbox import orders

    orders.order(_endpoint(), fault)


def _endpoint() -> Endpoint:
    from amiforge.sandbox import lifecycle

    endpoint = lifecycle.running()
    if not endpoint:
        raise UsageError("the sandbox does not run", fix="start it with `amiforge sandbox up`, and leave it up")
    return endpoint


def _row(row: dict[str, Any]) -> tuple[str, str, str]:
    from amiforge.sandbox.faults import parse

    left = {None: "until cleared", 0: "now"}.get(row["times"], f"{row['times']} more")
    fault = parse(json.dumps(row)).model_dump(exclude_defaults=True)
    name = fault.pop("harm", None) or row["kind"]
    if name == "call":
        name = "lost" if row["lost"] else "error"
    details = " ".join(f"{key}={value}" for key, value in fault.items() if key not in ("kind", "times", "lost"))
    return name, details, left
