"""What ingest decides by itself. Pure: no I/O, no clock, no randomness."""
