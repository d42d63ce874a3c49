"""How a host is reached over SSH."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from amiforge.settings import Seconds, Settings


class Ssh(Settings):
    """Deadlines of a connection, and whom it trusts. The strict choices are the defaults."""

    connect_timeout: Seconds = Field(10, description="seconds to open the TCP connection and agree on session keys")
    auth_timeout: Seconds = Field(20, description="seconds for the server's banner, and again for its word on our key")
    channel_timeout: Seconds = Field(15, description="seconds for the server to open a session on a live connection")
    silence: Seconds = Field(
        15, description="seconds a heartbeat may stay unanswered, with nothing else heard, until the link is dead"
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
