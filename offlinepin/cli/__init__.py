"""The command ``offlinepin``: parse, call, print. It needs the extra ``cli`` and says so if that is missing."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    try:
        from offlinepin.cli.app import app
    except ModuleNotFoundError as cause:
        if cause.name and cause.name.split(".")[0] == "offlinepin":
            raise
        print(f"The offlinepin command needs the package {cause.name}; install it with: pip install 'offlinepin[cli]'", file=sys.stderr)
        raise SystemExit(2) from None
    app()
