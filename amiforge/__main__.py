"""`python -m amiforge` and the `amiforge` script."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and end the process with its exit status."""
    from amiforge.cli.app import run  # noqa: PLC0415 - importing this module costs nothing

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
