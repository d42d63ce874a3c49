from __future__ import annotations

import getpass
from pathlib import Path
from typing import Any

import pytest

from amiforge.errors import ConfigError
from amiforge.host.destination import Destination, jumps
from amiforge.host.hop import Hop, hops
from amiforge.host.ssh_config import SshConfig, not_followed
from amiforge.host.ssh_settings import Ssh


def way(folder: Path, text: str, to: str, **settings: Any) -> tuple[Hop, ...]:
    """Give the way to a host, as an ssh config and settings have it."""
    (folder / "config").write_text(text)
    return hops(Destination.parse(to), Ssh(**settings), SshConfig.read(folder / "config"))


def shown(hops: tuple[Hop, ...]) -> list[str]:
    return [f"{hop.user}@{hop.address}:{hop.port}{' by ' + hop.proxy if hop.proxy else ''}" for hop in hops]


ME = getpass.getuser()
BASTION = "Host bastion\n  HostName b.example\n  User jo\n  Port 2200\n"


@pytest.mark.parametrize(
    ("text", "to", "settings", "expected"),
    [
        ("", "ec2-user@10.0.0.7", {}, ["ec2-user@10.0.0.7:22"]),
        ("", "10.0.0.7:2222", {}, [f"{ME}@10.0.0.7:2222"]),
        ("Host 10.*\n  User ubuntu\n  Port 2222\n", "10.0.0.7", {}, ["ubuntu@10.0.0.7:2222"]),
        ("Host 10.*\n  User ubuntu\n  Port 2222\n", "me@10.0.0.7:22", {}, ["me@10.0.0.7:22"]),
        (f"{BASTION}Host 10.*\n  ProxyJump bastion", "u@10.0.0.7", {}, ["jo@b.example:2200", "u@10.0.0.7:22"]),
        ("", "u@h", {"jump": "a@x, b@y:23 ,[2001:db8::1]"}, ["a@x:22", "b@y:23", f"{ME}@2001:db8::1:22", "u@h:22"]),
        (BASTION, "u@h", {"jump": "me@bastion"}, ["me@b.example:2200", "u@h:22"]),
        ("Host h\n  ProxyJump a\n  ProxyCommand b", "u@h", {}, [f"{ME}@a:22", "u@h:22"]),
        ("Host h\n  ProxyCommand b %h\n  ProxyJump a", "u@h", {}, ["u@h:22 by b h"]),
        ("Host h\n  ProxyCommand none\nHost *\n  ProxyJump a", "u@h", {}, ["u@h:22"]),
        ("Host h\n  ProxyJump none\nHost *\n  ProxyCommand a", "u@h", {}, ["u@h:22"]),
        ("Host *\n  ProxyCommand a", "u@h", {"jump": "j"}, [f"{ME}@j:22 by a", "u@h:22"]),
        ("Host *\n  ProxyCommand a", "u@h", {"proxy": "b %r@%h:%p %n %%p"}, ["u@h:22 by b u@h:22 h %p"]),
        ("Host *\n  ProxyJump j", "u@h", {}, [f"{ME}@j:22", "u@h:22"]),
        ("Host *\n  ProxyJump j,k", "u@h", {}, [f"{ME}@j:22", f"{ME}@k:22", "u@h:22"]),
        ("Host j\n  ProxyJump i\nHost h\n  ProxyJump j", "u@h", {}, [f"{ME}@i:22", f"{ME}@j:22", "u@h:22"]),
        ("Host k\n  ProxyJump i\nHost h\n  ProxyJump j,k", "u@h", {}, [f"{ME}@j:22", f"{ME}@k:22", "u@h:22"]),
        ("Host h\n  HostName %h.example\n  ProxyCommand p %h %n", "u@h", {}, ["u@h.example:22 by p h.example h"]),
        ("Match user u\n  Port 23\nMatch user v\n  Port 24\n", "u@h", {}, ["u@h:23"]),
    ],
)
def test_ways(tmp_path: Path, text: str, to: str, settings: dict[str, Any], expected: list[str]) -> None:
    assert shown(way(tmp_path, text, to, **settings)) == expected


@pytest.mark.parametrize(
    ("text", "settings", "says"),
    [
        ("Host a\n  ProxyJump b\nHost b\n  ProxyJump a\n", {"jump": "a"}, "go in a circle"),
        ("Host h\n  ProxyJump a\nHost a\n  ProxyJump h\n", {}, "h ← a ← h"),
        ("", {"jump": "a,,b"}, "not a host"),
        ("", {"jump": "-oProxyCommand=x"}, "not a host"),
        ("", {"proxy": "p %x"}, "%x stands for nothing"),
        ("", {"proxy": "p %"}, "stands for nothing"),
        ("Port ssh\n", {}, "port ssh: not a number"),
        ("Compression\n", {}, "Unparsable"),
        ("Include {path}\n", {}, "levels of Include"),
    ],
)
def test_no_way(tmp_path: Path, text: str, settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        way(tmp_path, text.replace("{path}", str(tmp_path / "config")), "u@h", **settings)


@pytest.mark.parametrize(
    ("text", "settings", "expected"),
    [
        ("", {}, (10, 15)),
        ("ConnectTimeout 3\nServerAliveInterval 20\n", {}, (3, 60)),
        ("ConnectTimeout 1m\nServerAliveInterval 20\nServerAliveCountMax 2\n", {}, (60, 40)),
        ("ConnectTimeout none\nServerAliveInterval 0\n", {}, (10, 15)),
        ("ConnectTimeout 3\nServerAliveInterval 20\n", {"connect_timeout": 7, "silence": 8}, (7, 8)),
        ("ConnectTimeout 3\nProxyCommand p\n", {}, (30, 15)),
    ],
)
def test_deadlines(tmp_path: Path, text: str, settings: dict[str, Any], expected: tuple[float, float]) -> None:
    (hop,) = way(tmp_path, text, "u@h", **settings)
    assert (hop.connect_timeout, hop.silence) == expected


def test_who_is_known_where(tmp_path: Path) -> None:
    text = "Host h\n  HostKeyAlias builder\n  UserKnownHostsFile /k1 /k2\nHost *\n  GlobalKnownHostsFile none\n"
    jump, host = way(tmp_path, text, "u@h", jump="j:23")
    assert (jump.known_as, jump.known_hosts[-1]) == ("[j]:23", Path("~/.ssh/known_hosts"))
    assert (host.known_as, host.known_hosts) == ("builder", (Path("/k1"), Path("/k2")))
    jump, host = way(tmp_path, text, "u@h", jump="j", known_hosts=Path("/pins"))
    assert host.known_hosts == (Path("/pins"),)
    assert jump.known_hosts == (Path("/pins"), Path("/pins"))


def test_keys(tmp_path: Path) -> None:
    (hop,) = way(tmp_path, "IdentityFile ~/.ssh/a\nIdentityFile none\nIdentitiesOnly yes\n", "u@h")
    assert (hop.identities, hop.identities_only) == ((Path("~/.ssh/a").expanduser(),), True)


def test_includes_stand_in_their_place(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "1").write_text("User first\nHost other\n  Port 24\n")
    (tmp_path / "d" / "2").write_text("Host h\n  Port 23\n")
    (tmp_path / "d" / "folder").mkdir()
    (tmp_path / "in-block").write_text("Port 25\nHost h\n  User never\n")
    text = (
        f"Include {tmp_path}/d/*  {tmp_path}/nothing\nHostName real\nHost k\n  Include {tmp_path}/in-block\n  User k\n"
    )
    assert shown(way(tmp_path, text, "h")) == ["first@real:23"]
    assert shown(way(tmp_path, text, "k")) == ["first@real:25"]
    folder, block = SshConfig.read(tmp_path / "config").warnings
    assert folder == f"{tmp_path}/d/folder: Is a directory"
    assert block.endswith("in a file included from a block: Host k")


def test_a_match_that_cannot_be_judged_never_matches_and_is_named(tmp_path: Path) -> None:
    text = "Match localnetwork 10.0.0.0/8\n  Port 23\nMatch host=h\n  Port 24\nMatch host h\n  Port 25\n"
    assert shown(way(tmp_path, text, "u@h")) == ["u@h:25"]
    warnings = SshConfig.read(tmp_path / "config").warnings
    assert [warning.partition(" for ")[2] for warning in warnings] == ["localnetwork", "host=h"]


def test_only_what_matters_is_warned_of() -> None:
    options = {"sendenv": "LANG", "controlmaster": "auto", "proxyusefdpass": "no", "addressfamily": "any"}
    assert not_followed(options) == []
    assert not_followed({**options, "certificatefile": "/c", "revokedhostkeys": "/r"}) == [
        "certificatefile /c",
        "revokedhostkeys /r",
    ]


def test_no_jump_hosts() -> None:
    assert jumps("") == jumps(" None ") == ()
