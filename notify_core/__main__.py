"""``python -m notify_core`` is ``notify``."""

from notify_core.cli import main

main()
