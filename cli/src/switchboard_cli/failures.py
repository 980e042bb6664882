"""What the command line says when something is not as it must be."""


class Failed(Exception):  # noqa: N818 - it ends the command, with one line
    """The command cannot do what it was asked; the text is one line that says what to do."""
