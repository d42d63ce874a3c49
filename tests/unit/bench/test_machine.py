from __future__ import annotations

from tests.bench.machine import Traffic, traffic

LOG = """Connection from 127.0.0.1 port 40001 on 127.1.0.3 port 22 rdomain ""
Accepted key ED25519 SHA256:x found at /home/ec2-user/.ssh/authorized_keys:1
Accepted publickey for ec2-user from 127.0.0.1 port 40001 ssh2: ED25519 SHA256:x
pam_unix(sshd:session): session opened for user ec2-user(uid=1000) by (uid=0)
Starting session: command for ec2-user from 127.0.0.1 port 40001 id 0
Close session: user ec2-user from 127.0.0.1 port 40001 id 0
Starting session: subsystem 'sftp' for ec2-user from 127.0.0.1 port 40001 id 1
Starting session: shell on pts/0 for ec2-user from 127.0.0.1 port 40001 id 2
Accepted publickey for ec2-user from 127.0.0.1 port 40002 ssh2: ED25519 SHA256:x
Starting session: command for ec2-user from 127.0.0.1 port 40002 id 0
"""


def test_logins_and_sessions_of_every_kind_are_counted() -> None:
    assert traffic(LOG, but_port="") == Traffic(connections=2, sessions=4)


def test_whoever_reads_the_log_does_not_count() -> None:
    assert traffic(LOG, but_port="40002") == Traffic(connections=1, sessions=3)
