"""The command line: ``notify``."""

from __future__ import annotations

import sys


def main() -> None:
    """The command ``notify``: runs what ``sys.argv`` says, and exits with its code."""
    try:
        from notify_core.cli.app import app
        from notify_core.cli.terminal import prepare

        prepare()
        app(prog_name="notify")
    except KeyboardInterrupt:
        sys.exit(130)
