"""Layered file systems: an overlay of frozen layers (top first) and one writable layer on top."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from amiforge.errors import CommandFailed

NO_BINDS: Mapping[Path, str] = MappingProxyType({})

# Everything is mounted in a mount namespace of its own: the kernel unmounts it with the last process in it,
# however that ends. The pid namespace takes left-over background processes along.
PRIVATE = ("unshare", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child", "--")
# The same for what must not outlive us, either.
TIED = ("setpriv", "--pdeathsig=KILL", "--", *PRIVATE)

CHROOT = """
set -eu
root=$1 options=$2
shift 2
mount -t overlay overlay -o "$options" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=0755 tmpfs "$root/run"
mkdir "$root/run/sandbox"
[ ! -e /etc/resolv.conf ] || cp /etc/resolv.conf "$root/run/sandbox"
while [ "${1-}" != -- ]; do
    mkdir -p "$root$2"
    mount --rbind "$1" "$root$2"
    shift 2
done
exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 sh -eu -s
"""


def overlay_options(layers: Sequence[Path], upper: Path, work: Path, base: Path) -> str:
    """Give overlayfs mount options with paths relative to `base`, to be mounted from there.

    The kernel takes one page (4096 bytes) of options; relative paths leave room for more than 64 layers.
    No redirects and no metadata-only copies: a layer then means the same on top of any copy of those below.
    """
    lower, up, wk = (":".join(os.path.relpath(path, base) for path in paths) for paths in (layers, [upper], [work]))
    return f"lowerdir={lower},upperdir={up},workdir={wk},redirect_dir=off,metacopy=off,index=off"


def run_in(layers: Sequence[Path], upper: Path, script: str, *, binds: Mapping[Path, str] = NO_BINDS) -> str:
    """Run a `sh -eu` script as root in a chroot over `layers` (top first); what it writes lands in `upper`.

    It has the host's network, no services and nothing of the host's environment. `binds` maps directories of
    the host to absolute directories in the chroot. No mount or process is left, also when this is killed.

    Returns:
        What the script printed on stdout.

    Raises:
        CommandFailed: the script ended with another status than 0.
    """
    upper.mkdir(parents=True, exist_ok=True)
    work, root = (upper.with_name(f".{upper.name}.{suffix}") for suffix in ("work", "root"))
    work.mkdir(exist_ok=True)
    root.mkdir(exist_ok=True)
    options = overlay_options(layers, upper, work, upper.parent)
    mounts = [word for path, target in binds.items() for word in (str(path.absolute()), target)]
    try:
        done = subprocess.run(
            [*TIED, "sh", "-c", CHROOT, "sh", root.name, options, *mounts, "--"],
            input=script,
            cwd=upper.parent,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        shutil.rmtree(work, ignore_errors=True)
        root.rmdir()
    if done.returncode != 0:
        raise CommandFailed(
            f"a script in a layered root ended with status {done.returncode}",
            stdout=done.stdout[-2000:],
            stderr=done.stderr[-2000:],
        )
    return done.stdout


def freeze(upper: Path, into: Path) -> None:
    """Copy a writable layer to `into`, which appears complete or not at all.

    Owners, modes, times, hard links, whiteouts (character devices 0/0) and overlayfs's own extended
    attributes are kept, so that the copy stacks exactly as the original did. Nothing may be writing to it.

    Raises:
        CommandFailed: the copy did not succeed, for example for want of space.
    """
    into.parent.mkdir(parents=True, exist_ok=True)
    new = into.with_name(f".{into.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    copy = ["cp", "--archive", "--reflink=auto", "--no-target-directory", "--", str(upper), str(new)]
    done = subprocess.run(copy, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        shutil.rmtree(new, ignore_errors=True)
        raise CommandFailed(f"cannot freeze {upper}", ran=" ".join(copy), stderr=done.stderr[-2000:])
    new.rename(into)
