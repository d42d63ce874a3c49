"""How a host is reached over SSH."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from amiforge.settings import Seconds, Settings


class Ssh(Settings):
    """Deadlines of a connection, the way it takes, and whom it trusts. The strict choices are the defaults.

    What is left out here is what the ssh config says of a host: its way, `ConnectTimeout` for `connect_timeout`,
    `ServerAliveInterval` times `ServerAliveCountMax` for `silence`, `UserKnownHostsFile` for `known_hosts`.
    """

    connect_timeout: Seconds = Field(10, description="seconds to open the TCP connection and agree on session keys")
    proxy_timeout: Seconds = Field(
        30, description="the same when a proxy command opens the way, which may have to log in somewhere first"
    )
    auth_timeout: Seconds = Field(20, description="seconds for the server's banner, and again for its word on our key")
    channel_timeout: Seconds = Field(15, description="seconds for the server to open a session on a live connection")
    silence: Seconds = Field(
        15, description="seconds a heartbeat may stay unanswered, with nothing else heard, until the link is dead"
    )
    jump: str = Field(
        "",
        description="jump hosts to go through, as ssh's -J: user@host:port, several with commas; "
        "empty for what the ssh config says",
    )
    jump_key: Path | None = Field(
        None, description="private key for the jump hosts; otherwise the ssh config's, the agent's and the usual files"
    )
    proxy: str = Field(
        "",
        description="command whose standard input and output are the connection, as ssh's ProxyCommand; "
        "empty for what the ssh config says",
    )
    known_hosts: Path = Field(
        Path("~/.ssh/known_hosts"), description="file of known host keys; not used when a host key is pinned"
    )
    accept_new: bool = Field(
        False, description="trust a host seen for the first time and add its key to known_hosts; a changed key never"
    )
    config: Path | None = Field(
        None, description="ssh config file to read instead of /etc/ssh/ssh_config and ~/.ssh/config"
    )
