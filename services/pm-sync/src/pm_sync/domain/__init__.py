"""What a practice-management system says, and what of it is news. Pure: no I/O, no clock, no randomness."""
