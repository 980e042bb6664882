"""Ids of other systems in the form of ours."""

import re

from shared_schemas.ids import content_id

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def opaque_id(raw: str) -> str:
    """The same id where it fits our form; else one that is derived from it, always the same (FHIR allows dots)."""
    return raw if _ID.fullmatch(raw) else content_id("pm", raw)
