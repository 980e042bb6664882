"""Who sees what, pure: no I/O, no clock, no randomness."""
