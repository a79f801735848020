"""`python -m graft` is `graft`."""

from graft.cli import main

main()
