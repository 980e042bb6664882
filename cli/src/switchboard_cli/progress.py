"""How commands that take long say how far they are."""

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with how many are done, of how many (0: unknown)."""
