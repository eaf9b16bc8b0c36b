"""The command ``offlinepin``: parse, call, print. It needs the extra ``cli`` and says so if that is missing."""

from __future__ import annotations

import io
import sys


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that the terminal or a file's encoding cannot show costs nobody a code
            stream.reconfigure(errors="backslashreplace")
    try:
        from offlinepin.cli.app import app
    except ModuleNotFoundError as cause:
        if cause.name and cause.name.split(".")[0] == "offlinepin":
            raise
        print(f"The offlinepin command needs the package {cause.name}; install it with: pip install 'offlinepin[cli]'", file=sys.stderr)
        raise SystemExit(2) from None
    app()
