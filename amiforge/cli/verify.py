"""`amiforge verify`: prove that a machine or image is what its recipe says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated

import typer

from amiforge.cli.options import (
    Arch,
    ConfigFile,
    Json,
    KeyFile,
    Os,
    Profile,
    RecipeName,
    Region,
    Sandbox,
    Set,
    Versions,
)
from amiforge.errors import ConfigError

if TYPE_CHECKING:
    from amiforge.cli.config import Config
    from amiforge.engine.events import Listener
    from amiforge.host.base import Host
    from amiforge.recipes.recipe import Recipe
    from amiforge.verify.verification import Verification

AmiId = Annotated[
    str | None, typer.Option("--ami", metavar="AMI", help="Image to boot, verify and terminate.", show_default=False)
]
HostNames = Annotated[
    list[str] | None,
    typer.Option(
        "--host",
        metavar="[USER@]ADDRESS",
        help="Machine to ask, or several, as node[01-16]; repeatable; local:// for this one.",
        show_default=False,
    ),
]
HostsFile = Annotated[
    Path | None, typer.Option("--hosts-file", metavar="FILE", help="Machines to ask, one a line; # begins a comment.")
]
Own = Annotated[
    list[str] | None,
    typer.Option("--with", metavar="TESTS", help="Also run the tests in this file or folder; repeatable."),
]
AtOnce = Annotated[int, typer.Option("--at-once", metavar="N", min=1, help="Machines to work on at a time.")]
Mark = Annotated[bool, typer.Option("--mark", help="Say on an unverified image that it is verified, if it passes.")]
Junit = Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write the outcome as JUnit XML.")]


def verify(
    recipe: RecipeName,
    host: HostNames = None,
    hosts_file: HostsFile = None,
    ami: AmiId = None,
    mark: Mark = False,
    key: KeyFile = None,
    changes: Set = None,
    os: Os = None,
    arch: Arch = None,
    versions: Versions = None,
    own: Own = None,
    at_once: AtOnce = 16,
    junit: Junit = None,
    config: ConfigFile = None,
    region: Region = None,
    profile: Profile = None,
    sandbox: Sandbox = False,
    as_json: Json = False,
) -> None:
    """Put every check of a recipe to running machines, or to an instance booted from an image.

    The exit status is 1 where a check failed; otherwise 3 where a machine could not be reached or asked.
    """
    from amiforge.cli.asked import Asked
    from amiforge.cli.choice import choose_one
    from amiforge.cli.config import aws_flags, load

    names = _names(host or (), hosts_file)
    if bool(names) == bool(ami) or (ami and own) or (mark and not ami):
        raise ConfigError(
            "what to verify is not clear",
            fix="give either --host [USER@]ADDRESS or --ami AMI; --hosts-file and --with go with hosts",
        )
    settings = load(config, aws_flags(region, profile))
    asked = Asked(changes or (), os or (), arch or (), versions or "")
    chosen = choose_one(recipe, settings, asked).recipe
    if ami:
        _image(chosen, ami, settings, junit, mark=mark, sandbox=sandbox, as_json=as_json)
    else:
        _hosts(chosen, names, key, settings, own or (), at_once, junit, as_json=as_json)


def _names(given: Sequence[str], file: Path | None) -> list[str]:
    from amiforge.verify.nodes import expand, read_hosts

    listed = read_hosts(file) if file else []
    return [*dict.fromkeys([*(name for text in given for name in expand(text)), *listed])]


def _hosts(
    recipe: Recipe,
    names: Sequence[str],
    key: Path | None,
    settings: Config,
    own: Sequence[str],
    at_once: int,
    junit: Path | None,
    *,
    as_json: bool,
) -> None:
    from amiforge.cli.nodes import summary, watching
    from amiforge.host.address import host_from
    from amiforge.verify.junit import write_junit

    if own:
        from amiforge.verify.own import refuse_missing

        refuse_missing(own)
    hosts = {name: host_from(name, key=key, settings=settings.ssh) for name in names}
    with watching(f"verify {recipe.name}", names, json=as_json, hide=recipe) as listener:
        found = _verified(hosts, recipe, own, at_once, listener)
        if junit:
            write_junit(junit, recipe.name, found.hosts)
        listener(found.event())
        if as_json or len(names) == 1:
            found.refuse_failures()
    if not as_json and len(names) > 1:
        typer.echo("\n".join(["", *summary(found, get_terminal_size().columns)]))
        found.refuse_failures()


def _verified(
    hosts: Mapping[str, Host], recipe: Recipe, own: Sequence[str], at_once: int, listener: Listener
) -> Verification:
    from amiforge.verify.side_by_side import verify_hosts

    try:
        found = verify_hosts(hosts, recipe, at_once=at_once, listener=listener)
        return _with_own(found, hosts, recipe, own, listener) if own else found
    finally:
        for host in hosts.values():
            host.close()


def _with_own(
    found: Verification, hosts: Mapping[str, Host], recipe: Recipe, own: Sequence[str], listener: Listener
) -> Verification:
    from amiforge.verify.own import run_tests
    from amiforge.verify.subject import Subject

    subjects = [Subject(each.host, hosts[each.host], recipe) for each in found.hosts if not each.error]
    return found.also(*run_tests(subjects, own, listener)) if subjects else found


def _image(
    recipe: Recipe, ami: str, settings: Config, junit: Path | None, *, mark: bool, sandbox: bool, as_json: bool
) -> None:
    from amiforge.bake.verify_image import verify_image
    from amiforge.cli.console import listening
    from amiforge.cli.where import ec2
    from amiforge.verify.runner import verify as run_checks

    with (
        listening(f"verify {recipe.name} on {ami}", json=as_json, hide=recipe) as listener,
        ec2(settings, listener, sandbox=sandbox) as there,
    ):

        def checks(host: Host, recipe: Recipe, listener: Listener) -> None:
            run_checks(host, recipe, listener=listener, junit=junit)

        verify_image(
            recipe,
            ami,
            there.aws,
            settings=settings.bake,
            engine=there.engine,
            listener=listener,
            means=replace(there.means(), verify=checks),
            mark=mark,
        )
