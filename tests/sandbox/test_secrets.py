"""A planted secret is in nothing that a bake shows, writes or leaves, in whatever form the builder printed it."""

from __future__ import annotations

import base64
import json
import traceback
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from rich.console import Console

from amiforge.bake import bake
from amiforge.cli.lines import JsonLines, PlainLines
from amiforge.cli.tree import Tree
from amiforge.ec2.key_pair import KeyPair
from amiforge.engine.events import Event, Listener
from amiforge.errors import CheckFailed, TaskError
from amiforge.recipes.recipe import Recipe
from amiforge.resources import Run
from amiforge.sandbox.endpoint import Endpoint
from amiforge.sandbox.folder import Folder
from amiforge.settings import BakeSettings
from amiforge.shell import Secret, script
from amiforge.systems.system import System
from amiforge.tasks.task import Check, Task
from tests.sandbox.test_bake import EMPTY, aws

if TYPE_CHECKING:
    from testinfra.host import Host as TestinfraHost

    from amiforge.engine.resource import Resource

pytestmark = pytest.mark.sandbox

KEY = KeyPair.new("planted").private
TOKEN = Secret("tok_4uHq8Zr1LwXv9bNm3KcD")
PASSWORD = Secret("p4ss 'w0rd\"/with$all&of=them%+é\\")
SECRETS = (KEY, TOKEN, PASSWORD)

#: Prints each argument in six forms, twice: at once, and in pieces that come a moment apart.
_TELL = r"""
mkdir -p /run/planted
for secret do
  printf 'plain: %s\n' "$secret"
  printf 'wrapped: '; printf %s "$secret" | base64
  printf 'in something larger: '; printf 'user:%s@host' "$secret" | base64 -w 0; echo
  printf 'hex: '; printf %s "$secret" | od -An -v -tx1 | tr -d ' \n'; echo
  half=$(printf %s "$secret" | head -c 9)
  printf 'in pieces: %s' "$half"; sleep 0.3; printf '%s\n' "${secret#"$half"}"
done
python3 -c '
import json, shlex, sys, urllib.parse
for secret in sys.argv[1:]:
    print("json:", json.dumps({"secret": secret}), "shell:", shlex.quote(secret))
    print("url:", urllib.parse.quote(secret, safe=""))
' "$@"
"""
_FAIL = 'for secret do printf "refused: %s\\n" "$secret" >&2; done\nexit 3\n'


class Telling(Task):
    """Tells everybody the secrets that it was given."""

    key: Secret
    token: Secret
    password: Secret
    fails: str = ""

    def resources(self, system: System) -> Iterator[Resource]:
        """Tell them at once, and by a job."""
        secrets = (self.key, self.token, self.password)
        for job in (False, True):
            done = f"/run/planted/told.{job}"
            text = f"{_TELL}{_FAIL if self.fails == 'task' and job else ''}touch {done}\n"
            then = script(text, *secrets, summary=f"tell {self.token.reveal()}")
            yield Run(f"tell {self.password.reveal()} {job}", then, proof=f"test -e {done}", job=job)

    def checks(self, host: TestinfraHost, system: System) -> Iterator[Check]:
        """Tell them once more."""
        expected = "somebody else" if self.fails == "check" else self.password.reveal()
        yield Check(f"token {self.token.reveal()} counts", expected, self.password.reveal)


def planted(fails: str = "") -> Recipe:
    task = Telling(key=KEY, token=TOKEN, password=PASSWORD, fails=fails)
    return EMPTY.model_copy(update={"name": "planted", "tasks": (task,)})


def six_forms(secret: str) -> Iterator[str]:
    """Give the forms as the builder's programs make them, and what of base64 is the same in something larger."""
    raw = secret.encode()
    yield from (secret, json.dumps(secret)[1:-1], quote(secret, safe=""), raw.hex(), base64.b64encode(raw).decode())
    yield secret.replace("'", "'\"'\"'")
    for lead in (1, 2, 5):
        yield base64.b64encode(bytes(lead) + raw).decode()[8:-8]


def needles() -> list[bytes]:
    """Give what must not be found: every form, and every line of it that is long enough to tell something."""
    found = [form for secret in SECRETS for form in six_forms(secret.reveal())]
    # OpenSSH's format begins alike in every key.
    lines = [line for form in found for line in form.splitlines() if not line.startswith(("-----", "b3BlbnNzaC1rZXkt"))]
    cut = [line[at : at + 40] for line in lines for at in range(0, len(line), 40)]
    return [text.encode() for text in {*found, *lines, *cut} if len(text) > 15]


class Audience:
    """All that listens to a bake: lines, JSON, and the tree of a terminal."""

    def __init__(self) -> None:
        self.texts = [StringIO() for _ in range(3)]
        self.tree = Tree("bake", Console(file=self.texts[2], width=500, force_terminal=True))
        listeners: list[Callable[[Event], None]] = [PlainLines(self.texts[0]).see, JsonLines(self.texts[1]).see]
        self._listeners = (*listeners, self.tree.see)

    def see(self, event: Event) -> None:
        for listener in self._listeners:
            listener(event)


def everything_of(recipe: Recipe, endpoint: Endpoint, folder: Path) -> tuple[bytes, str]:
    """Bake, and give all that was shown, raised and written down; and the image, or why there is none."""
    audience, image, raised = Audience(), "", ""
    with audience.tree:
        listener: Listener = audience.see
        try:
            image = bake(recipe, aws(endpoint), settings=BakeSettings(runs=str(folder)), listener=listener).image
        except (TaskError, CheckFailed) as error:
            raised = f"{error.block()} {error!r} {error.__notes__} {''.join(traceback.format_exception(error))}"
    shown = "\n".join([*(text.getvalue() for text in audience.texts), raised]).encode()
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {"journal.jsonl", "events.jsonl", "report.html"} <= {path.name for path in files}
    return b"\n".join([shown, *(path.read_bytes() for path in files)]), image or raised


def found_in(text: bytes) -> list[bytes]:
    return [needle for needle in needles() if needle in text]


def test_what_is_looked_for_is_what_the_builder_prints() -> None:
    forms = [form.encode() for form in six_forms(TOKEN.reveal())]
    assert all(any(form in needle or needle in form for needle in needles()) for form in forms)


@pytest.mark.parametrize("fails", ["", "task", "check"])
def test_a_planted_secret_is_nowhere(fails: str, endpoint: Endpoint, own_folder: Folder, tmp_path: Path) -> None:
    said, end = everything_of(planted(fails), endpoint, tmp_path)
    assert found_in(said) == []
    assert said.count(b"[secret]") > 20
    if fails:
        assert "[secret]" in end
        return
    assert end.startswith("ami-"), end
    assert b'"outcome": "passed"' in said
    paths = [path for path in own_folder.layer(end).rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(paths) > 5
    assert {str(path): found for path in paths if (found := found_in(path.read_bytes()))} == {}
