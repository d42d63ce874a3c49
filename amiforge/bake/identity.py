"""Whether a fresh instance of an image is a machine of its own, which its builder's key does not open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from amiforge.bake.login import Login
from amiforge.bake.readiness import Condition
from amiforge.bake.run import Run
from amiforge.engine.events import CheckFinished
from amiforge.errors import AuthRefused, CheckFailed

Statement = tuple[str, Callable[[], bool]]


def check_identity(run: Run, login: Login, fresh: Condition) -> None:
    """Compare a fresh instance with the builder that its image was made of.

    Raises:
        CheckFailed: it shares something with the builder that it must not; names everything.
    """
    failed: list[str] = []
    for title, holds in _statements(run, login, fresh):
        passed = holds()
        run.listener(CheckFinished(task="identity", title=title, outcome="passed" if passed else "failed"))
        if not passed:
            failed.append(title)
    if failed:
        raise CheckFailed(f"instances of {run.image.id} are not machines of their own", failed="\n".join(failed))


def _statements(run: Run, login: Login, fresh: Condition) -> Iterator[Statement]:
    builder, (key, _) = run.condition, run.keys("builder")
    yield "the machine id is new", lambda: bool(fresh.machine_id) and fresh.machine_id != builder.machine_id
    yield "the host keys are new", lambda: bool(fresh.host_keys) and not fresh.host_keys & builder.host_keys
    yield "no file holds the builder's key", lambda: not any(key.blob in line for line in fresh.authorized)
    yield "the builder's key is refused", lambda: _refused(run, replace(login, key=key.private))
    yield "no unit has failed that did not fail on the source image", lambda: fresh.failed <= builder.failed


def _refused(run: Run, login: Login) -> bool:
    host = run.means.connect(login)
    try:
        host.connect()
    except AuthRefused:
        return True
    finally:
        host.close()
    return False
