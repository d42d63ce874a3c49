"""amiforge's side of the bench, a process of its own: applies the workload to one machine, and says in JSON how."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path

from amiforge.engine.apply import apply
from amiforge.host.ssh import SshHost
from tests.bench.workload import Workload


def main(address: str, port: str, key: str, host_key: str) -> None:
    """Apply the workload."""
    host = SshHost(address, "ec2-user", port=int(port), key=Path(key), host_key=host_key)
    report = apply(host, [Workload()])
    spent: defaultdict[str, float] = defaultdict(float)
    for result in report.results:
        spent[result.resource.split()[0]] += result.seconds
    host.close()
    print(json.dumps({"changed": report.changed, "seconds": report.seconds, "spent": spent}))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
