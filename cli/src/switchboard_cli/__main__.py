"""`python -m switchboard_cli` is the same as `switchboard`."""

from switchboard_cli.app import main

main()
