"""The routing rules, pure: no I/O, no clock, no randomness. Start at `route.py`."""
