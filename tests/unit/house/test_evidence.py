"""What the security documents name as evidence is there: a control whose test was renamed or removed is not proven."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTS = sorted((ROOT / "docs/security").glob("*.md"))
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def missing_evidence(document: str) -> list[str]:
    return [
        f"{file}::{test}" if test else file
        for file, test in NAMED.findall(document)
        if not (ROOT / file).is_file() or (test and f"def {test}(" not in (ROOT / file).read_text("utf-8"))
    ]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_every_test_that_is_named_as_evidence_exists(document: Path) -> None:
    text = document.read_text("utf-8")

    assert NAMED.search(text)
    assert missing_evidence(text) == []


def test_evidence_that_does_not_exist_is_found() -> None:
    here = "tests/unit/house/test_evidence.py"
    claimed = f"`{here}`, `{here}::test_evidence_that_does_not_exist_is_found`, `{here}::test_x`, `tests/no_such.py`"

    assert missing_evidence(claimed) == [f"{here}::test_x", "tests/no_such.py"]
