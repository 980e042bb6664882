"""The requirement manifest: the ids of docs/routing-rules.md against the tests that name them."""

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_RULE = re.compile(r"^\| ([A-Z]\d+) \| (\*Not built yet\.\*)?", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Manifest:
    """Rules that are built, rules that are announced, and the rules that tests name."""

    built: frozenset[str]
    announced: frozenset[str]
    tested: frozenset[str]

    def problems(self) -> list[str]:
        """Where documents and tests do not agree; empty when they do."""
        return [
            *(f"{rule} has no test" for rule in sorted(self.built - self.tested)),
            *(f"{rule} is tested and not documented" for rule in sorted(self.tested - self.built - self.announced)),
            *(f"{rule} is tested, so it is built: say so" for rule in sorted(self.tested & self.announced)),
        ]


def read_manifest(document: str, tests: Iterable[str]) -> Manifest:
    """From the document's text and the texts of test modules."""
    rules = {rule: bool(announced) for rule, announced in _RULE.findall(document)}
    return Manifest(
        frozenset(rule for rule, is_announced in rules.items() if not is_announced),
        frozenset(rule for rule, is_announced in rules.items() if is_announced),
        frozenset(rule for text in tests for rule in _named_rules(text)),
    )


def manifest() -> Manifest:
    """That of this checkout."""
    tests = (path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    return read_manifest((ROOT / "docs/routing-rules.md").read_text("utf-8"), tests)


def _named_rules(text: str) -> set[str]:
    """The arguments of `rule(…)` and `pytest.mark.rule(…)`."""
    calls = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))
    return {
        argument.value
        for call in calls
        if getattr(call.func, "attr", getattr(call.func, "id", "")) == "rule"
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }
