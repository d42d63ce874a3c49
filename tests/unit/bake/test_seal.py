from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from amiforge.bake.clean import seal
from amiforge.bake.clean.leaks import lines
from amiforge.bake.clean.seal import SEAL
from amiforge.errors import AuthRefused, CommandFailed, NotConverged, UnexpectedReboot
from amiforge.host.base import Output
from amiforge.host.fake import FakeHost
from amiforge.shell import Secret, script

BLOB = "AAAAC3NzaC1lZDI1NTE5AAAAI" + "B" * 43
FILES = {
    "etc/passwd": "root:x:0:0::/root:/bin/sh\n",
    "etc/machine-id": "0123\n",
    "etc/ssh/ssh_host_ed25519_key": "-----BEGIN OPENSSH PRIVATE KEY-----\n",
    "root/.ssh/authorized_keys": f"ssh-ed25519 {BLOB} builder\n",
    "root/.ssh/id_rsa": "-----BEGIN RSA PRIVATE KEY-----\n",
    "root/venv/lib/site-packages/tornado/test.key": "-----BEGIN PRIVATE KEY-----\n",
    "var/log/messages": "line\n",
    "opt/app/notes": "nothing\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("run", "home", "usr/local", *FILES):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(FILES[name]) if name in FILES else path.mkdir()
    return tmp_path


def sealed(root: Path, *secrets: str, allowed: tuple[str, ...] = ()) -> tuple[int, list[str]]:
    looked_for = lines(Secret(secret) for secret in secrets)
    text = script(SEAL, str(root), str(len(allowed)), *allowed, *looked_for).text()
    done = subprocess.run(["sh", "-s"], input=text, text=True, capture_output=True, check=False)
    assert done.stderr == ""
    return done.returncode, [line for line in done.stdout.splitlines() if not line.startswith(("at\t", "gone\t"))]


def ways_in(root: Path) -> dict[str, tuple[str, int]]:
    paths = [path for path in (*(root / "root/.ssh").iterdir(), *(root / "etc/ssh").iterdir()) if path.is_file()]
    return {str(path): (path.read_text(), path.stat().st_mode) for path in paths}


@pytest.mark.shell
def test_what_is_proven_clean_is_closed_and_leaves_nothing_in_memory(root: Path) -> None:
    assert sealed(root) == (0, ["proven\t5"])
    assert ways_in(root) == {}
    assert (root / "etc/machine-id").read_text() == ""
    assert list((root / "run").iterdir()) == []
    assert sealed(root) == (0, ["proven\t0"])


@pytest.mark.shell
@pytest.mark.parametrize(
    ("path", "content", "row"),
    [
        ("etc/tls/own.pem", "-----BEGIN PRIVATE KEY-----\nMII\n", "private keys"),
        ("home/me/key", "x\n-----BEGIN EC PRIVATE KEY-----\n", "private keys"),
        ("opt/app/env", "TOKEN=correct-horse\n", "secrets"),
        ("var/lib/app/state", base64.b64encode(b"a:correct-horse-b").decode(), "secrets"),
        ("usr/local/etc/deploy.keys", f"ssh-ed25519 {BLOB} me\n", "builder's key"),
        ("etc/pip.conf", "index-url = https://me:hush@host/simple\n", "passwords in addresses"),
        ("root/src/.git/config", "url = https://me:hush@host/x.git\n", "passwords in addresses"),
    ],
)
def test_what_is_left_is_named_without_its_value_and_the_ways_in_stay(
    root: Path, path: str, content: str, row: str
) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(content)
    before = ways_in(root)
    assert sealed(root, "correct-horse") == (1, [f"left\t{row}\t/{path}"])
    assert ways_in(root) == before
    assert list((root / "run").iterdir()) == []


@pytest.mark.shell
def test_what_is_allowed_or_only_looks_like_a_secret_is_no_leftover(root: Path) -> None:
    for path in ("own.pem", "pip.conf"):
        (root / "etc" / path).write_text("-----BEGIN PRIVATE KEY-----\n# https://user:password@proxy\n")
    assert sealed(root, "short", "correct-horse", allowed=("/etc/*.pem", "/etc/pip.conf")) == (0, ["proven\t5"])


@pytest.mark.shell
def test_a_way_in_that_cannot_be_closed_is_named_and_all_are_put_back(root: Path) -> None:
    before = ways_in(root)
    stubborn = root / "stubs" / "rm"
    stubborn.parent.mkdir()
    stubborn.write_text('#!/bin/sh\ncase "$*" in *id_rsa*) exit 1;; esac\nexec /bin/rm "$@"\n')
    stubborn.chmod(0o755)
    text = script(SEAL, str(root), "0").text()
    done = subprocess.run(
        ["sh", "-s"],
        input=text,
        text=True,
        capture_output=True,
        check=False,
        env={"PATH": f"{stubborn.parent}:/usr/sbin:/usr/bin:/bin"},
    )
    assert done.returncode == 1
    assert "left\tways in\t/root/.ssh/id_rsa" in done.stdout.splitlines()
    assert {name: text for name, (text, _) in ways_in(root).items()} == {
        name: text for name, (text, _) in before.items()
    }


def answers(*outputs: Output, lose_at: frozenset[int] = frozenset()) -> FakeHost:
    answer: Iterator[Output] = iter(outputs)
    return FakeHost(lambda text: next(answer) if "job status" in text else Output(0), lose_at=lose_at)


PROVEN = Output(0, b"at\twiping\ngone\tlogs\t/var/log/x\nproven\t7\n", b"job status 0\n")


def test_the_number_of_things_removed_is_what_the_builder_says() -> None:
    told: list[str] = []
    assert seal(answers(PROVEN), "run", 60, told.append) == 7
    assert told == ["wiping", "logs: /var/log/x"]


@pytest.mark.parametrize("lost", [1, 2])
def test_a_lost_link_is_made_again_and_the_job_followed(lost: int) -> None:
    host = answers(PROVEN, lose_at=frozenset({lost}))
    assert seal(host, "run", 60) == 7
    assert host.connections == 2
    assert host.sessions == 3


def test_a_link_that_dies_after_the_proof_is_a_success() -> None:
    class GoingDown(FakeHost):
        def run(self, script: str, **options: object) -> Output:
            on_output = options.get("on_output")
            if callable(on_output):
                on_output(PROVEN.stdout)
                self.connected = False
            return super().run(script)

    host = GoingDown(lambda _text: Output(0))
    assert seal(host, "run", 60) == 7


def test_a_builder_that_lets_nobody_in_any_more_is_a_lost_host() -> None:
    class Closed(FakeHost):
        def connect(self) -> None:
            if self.connections:
                raise AuthRefused("the key is refused")
            super().connect()

    with pytest.raises(AuthRefused) as caught:
        seal(Closed(lambda _text: Output(0), lose_at={2}), "run", 60, link_wait=0)
    assert "was lost" in caught.value.lines["since"]


@pytest.mark.parametrize(
    ("output", "error", "said"),
    [
        (Output(0, b"left\tlogs\t/var/log/a b, which x (pid 3) has open\n", b"job status 1\n"), NotConverged, "pid 3"),
        (Output(0, b"sh: no room\n", b"job status 2\n"), CommandFailed, "no room"),
        (Output(1, b"", b"job gone\n"), UnexpectedReboot, "job gone"),
    ],
)
def test_a_job_without_a_proof_is_an_error(output: Output, error: type[Exception], said: str) -> None:
    with pytest.raises(error) as caught:
        seal(answers(output), "run", 60)
    assert said in caught.value.block()  # type: ignore[attr-defined]


def test_secrets_are_arguments_of_the_script_and_in_no_error() -> None:
    host = answers(Output(0, b"left\tsecrets\t/etc/x\n", b"job status 1\n"))
    with pytest.raises(NotConverged) as caught:
        seal(host, "run", 60, secrets=[Secret("correct-horse")])
    assert "correct-horse" in host.scripts[0]
    assert "correct-horse" not in "".join(host.scripts[1:]) + caught.value.block()
