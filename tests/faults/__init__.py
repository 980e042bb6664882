"""A whole installation whose parts are killed, paused and cut off, and the checker of what it did meanwhile."""
