"""What a source can do to us."""

from datetime import timedelta


class SourceProblem(Exception):  # noqa: N818 - it says what it is
    """The source does not give what it should. The words are for an administrator, and hold nothing that it said."""

    def __init__(self, words: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(words)
        self.words = words
        self.retry_after = retry_after
        """How long the source asks to be left alone."""
