from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amiforge.errors import ConfigError
from amiforge.host.address import host_from
from amiforge.host.local import LocalHost
from amiforge.host.ssh import SshHost


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ec2-user@10.0.3.7", "ec2-user@10.0.3.7"),
        ("ssh://ec2-user@10.0.3.7:2222", "ec2-user@10.0.3.7:2222"),
        ("ssh://ubuntu@node-1.example.com/", "ubuntu@node-1.example.com"),
        ("ubuntu@node:22", "ubuntu@node"),
        ("ssh://root@[fe80::1]:2200", "root@[fe80::1]:2200"),
        ("alias-of-the-ssh-config", "alias-of-the-ssh-config"),
    ],
)
def test_ssh_hosts(text: str, address: str) -> None:
    host = host_from(text)
    assert isinstance(host, SshHost)
    assert host.address == address


def test_this_machine() -> None:
    assert isinstance(host_from("local://"), LocalHost)


@pytest.mark.parametrize(
    "text", ["", "http://x", "a b", "user@", "@host", "ssh://", "u@h:0", "u@h:70000", "-oProxyCommand=x", "u@-h", "a;b"]
)
def test_anything_else_is_refused_with_the_forms_that_work(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        host_from(text)
    assert "ssh://user@address:port" in refused.value.lines["fix"]


def test_password_in_an_address_is_not_repeated() -> None:
    with pytest.raises(ConfigError) as refused:
        host_from("ssh://user:hunter2@host")
    assert "hunter2" not in refused.value.block()


@given(st.text())
def test_any_text_gives_a_host_or_a_config_error(text: str) -> None:
    try:
        assert host_from(text).address
    except ConfigError as error:
        assert error.lines["fix"]  # noqa: PT017 - one of the two must hold
