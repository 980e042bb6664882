"""Outside systems, one file for each."""
