"""What a client must know to talk to a running sandbox. Only data."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A running sandbox: where its EC2 API and its artifact mirror are, and credentials it takes (it takes any)."""

    url: str
    mirror_url: str
    region: str = "us-east-1"
    access_key_id: str = "sandbox"
    secret_access_key: str = "sandbox"  # noqa: S105 - no secret, clients want to sign with something

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Read what `write` wrote; None if there is no such file, or not a whole one."""
        try:
            return cls(**json.loads(path.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def write(self, path: Path) -> None:
        """Write it in one step."""
        draft = path.with_name(f".{path.name}.new")
        draft.write_text(json.dumps(asdict(self), indent=2) + "\n")
        draft.replace(path)

    def environment(self) -> dict[str, str]:
        """Give the variables that make any AWS SDK or CLI use it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
        }
