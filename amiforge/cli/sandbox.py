"""`amiforge sandbox`: the EC2 on this machine."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from amiforge.cli import sandbox_harms
from amiforge.cli.options import Json, KeyFile
from amiforge.errors import UsageError

if TYPE_CHECKING:
    from amiforge.sandbox.endpoint import Endpoint
    from amiforge.sandbox.lifecycle import Status

app = typer.Typer(
    help="The EC2 on this machine: an API for any client, machines that really boot.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(sandbox_harms.app, name="faults", short_help="Failures to rehearse.")


@app.command(short_help="Start it, and leave it up.")
def up(
    port: Annotated[int, typer.Option(metavar="PORT", min=0, max=65535, help="Port of the API; 0 takes any.")] = 0,
    as_json: Json = False,
) -> None:
    """Start it, and leave it up; prints how clients reach it."""
    from amiforge.cli.console import listening
    from amiforge.sandbox import lifecycle

    with listening("sandbox up", json=as_json, aside=True) as listener:
        endpoint = lifecycle.up(port=port, listener=listener)
    if not as_json:
        typer.echo("\n".join(_environment(endpoint)))


@app.command(short_help="End it; images stay.")
def down() -> None:
    """End it: every machine, process and mount. Images and cached roots stay."""
    from amiforge.sandbox import lifecycle

    lifecycle.down()


@app.command(short_help="Say what is there.")
def status(as_json: Json = False) -> None:
    """Say whether it is up, how clients reach it, and what is in it."""
    from amiforge.sandbox import lifecycle

    found = lifecycle.status()
    typer.echo(json.dumps(asdict(found)) if as_json else "\n".join(_describe(found)))


@app.command(short_help="Log in to an instance.")
def ssh(
    instance: Annotated[str, typer.Argument(metavar="INSTANCE", help="Instance id, as i-0123456789abcdef0.")],
    command: Annotated[
        list[str] | None, typer.Argument(metavar="COMMAND…", help="What to run there, after --.")
    ] = None,
    user: Annotated[str, typer.Option("--user", metavar="USER", help="Login user.")] = "ec2-user",
    key: KeyFile = None,
) -> None:
    """Log in to a running instance, with the key it was launched with."""
    from amiforge.sandbox.folder import Folder
    from amiforge.sandbox.machine import Machine

    machine = Machine(Folder.default(), instance)
    if not machine.path.is_dir() or machine.state != "running":
        raise UsageError(f"no instance {instance} runs in the sandbox", fix="see `amiforge sandbox status`")
    # Addresses are used again by later instances, with other host keys; and the way there does not leave this machine.
    trust = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
    identity = ["-i", str(key), "-o", "IdentitiesOnly=yes"] if key else []
    argv = ["ssh", *trust, *identity, f"{user}@{machine.address}", *(["--", *command] if command else [])]
    os.execvp(argv[0], argv)  # noqa: S606 - the terminal becomes the login's


def _describe(found: Status) -> Iterator[str]:
    if found.endpoint is None:
        yield "not running; start it with `amiforge sandbox up`"
    else:
        yield from _environment(found.endpoint)
    yield from (f"instance  {name}  {state}" for name, state in found.instances.items())
    yield from (f"image     {name}" for name in found.images)
    yield from (f"stray     {name}; `amiforge sandbox down` removes it" for name in found.stray)


def _environment(endpoint: Endpoint) -> Iterator[str]:
    """Give what makes any client in a shell use the sandbox: `eval "$(amiforge sandbox up)"`."""
    yield from (f"export {name}={value}" for name, value in endpoint.environment().items())
