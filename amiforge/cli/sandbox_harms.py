"""`amiforge sandbox faults add`: what can happen to a machine of the sandbox, or to the link to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from amiforge.cli.sandbox_faults import add, app, order

if TYPE_CHECKING:
    from amiforge.sandbox.faults import HarmName

__all__ = ["app"]

InstanceId = Annotated[
    str | None, typer.Option("--instance", metavar="ID", help="Running instance; otherwise the next one launched.")
]
Role = Annotated[str, typer.Option("--role", metavar="ROLE", help="Only the next one of a role: builder, verify.")]
After = Annotated[
    float, typer.Option("--after", metavar="SECONDS", min=0, help="So long after its sshd first answers, or from now.")
]
Lasting = Annotated[
    float | None, typer.Option("--for", metavar="SECONDS", min=0, help="How long; otherwise until cleared.")
]
Long = Annotated[float, typer.Argument(metavar="SECONDS", min=0, help="How long.", show_default=False)]


@add.command(short_help="Reboot a machine unasked.")
def reboot(instance: InstanceId = None, role: Role = "*", after: After = 0.0) -> None:
    """Reboot a machine that nobody asked to."""
    _order("reboot", instance, role, after)


@add.command(short_help="Take a spot instance back.")
def interruption(instance: InstanceId = None, role: Role = "*", after: After = 0.0) -> None:
    """Take an instance back, as EC2 does with spot instances: terminated, Server.SpotInstanceTermination."""
    _order("interruption", instance, role, after)


@add.command("sshd-gone", short_help="Stop its sshd for a while.")
def sshd_gone(seconds: Long, instance: InstanceId = None, role: Role = "*", after: After = 0.0) -> None:
    """Kill a machine's sshd with all connections, and start it again."""
    _order("sshd-gone", instance, role, after, seconds=seconds)


@add.command("slow-link", short_help="Let little through.")
def slow_link(
    rate: Annotated[int, typer.Argument(metavar="BYTES", min=1, help="Per second, each way.", show_default=False)],
    seconds: Lasting = None,
    instance: InstanceId = None,
    role: Role = "*",
    after: After = 0.0,
) -> None:
    """Let few bytes per second through, each way. Connections that are open when it begins are cut first."""
    _order("slow-link", instance, role, after, seconds=seconds, rate=rate)


@add.command("silent-link", short_help="Let nothing through for a while.")
def silent_link(seconds: Long, instance: InstanceId = None, role: Role = "*", after: After = 0.0) -> None:
    """Let nothing through while all connections look open; what runs on the machine goes on."""
    _order("silent-link", instance, role, after, seconds=seconds)


@add.command("cut-link", short_help="Cut all connections.")
def cut_link(instance: InstanceId = None, role: Role = "*", after: After = 0.0) -> None:
    """Cut all connections to a machine, once; new ones are welcome."""
    _order("cut-link", instance, role, after)


@add.command("full-disk", short_help="Leave no room on its disk.")
def full_disk(
    room: Annotated[int, typer.Option("--room", metavar="BYTES", min=0, help="That are still free.")] = 65_536,
    seconds: Lasting = None,
    instance: InstanceId = None,
    role: Role = "*",
    after: After = 0.0,
) -> None:
    """Leave no room on a machine's disk; what is written meanwhile is gone when it ends."""
    _order("full-disk", instance, role, after, seconds=seconds, room=room)


@add.command("read-only", short_help="Let nothing be written to its disk.")
def read_only(seconds: Lasting = None, instance: InstanceId = None, role: Role = "*", after: After = 0.0) -> None:
    """Let a machine's disk be read-only."""
    _order("read-only", instance, role, after, seconds=seconds)


@add.command(short_help="Hold its package manager's locks.")
def lock(seconds: Lasting = None, instance: InstanceId = None, role: Role = "*", after: After = 0.0) -> None:
    """Let somebody else hold the locks of rpm and dpkg on a machine."""
    _order("lock", instance, role, after, seconds=seconds)


def _order(harm: HarmName, instance: str | None, role: str, after: float, **more: Any) -> None:
    from amiforge.sandbox.faults import Harm

    order(Harm(harm=harm, instance=instance, role=role, after=after, **more))
