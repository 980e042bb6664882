"""Mutation testing of the rules: `just mutants` breaks them in hundreds of small ways and counts which the tests notice.

The rules' package and its tests are copied to a place of their own, because the mutants are made beside the code.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONFIGURATION = """
[tool.mutmut]
source_paths = ["src/router/domain"]
also_copy = ["src/router", "tests"]
pytest_add_cli_args_test_selection = ["tests/unit/router"]
pytest_add_cli_args = ["-q", "-p", "no:randomly", "-p", "no:cacheprovider"]

[tool.pytest.ini_options]
asyncio_mode = "auto"
pythonpath = ["src", "."]
markers = ["rule(*ids)"]
"""
LEAST_KILLED = 0.95


def main() -> int:
    """Exit code 1 when fewer than 95 of 100 mutants are noticed."""
    parser = argparse.ArgumentParser(prog="just mutants", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the counts to a file")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="switchboard-mutants-") as name:
        place = Path(name)
        shutil.copytree(ROOT / "services/router/src/router", place / "src/router")
        for tests in ("unit/router", "oracle"):
            shutil.copytree(ROOT / "tests" / tests, place / "tests" / tests)
        (place / "pyproject.toml").write_text(CONFIGURATION, encoding="utf-8")
        mutmut = [sys.executable, "-m", "mutmut"]
        environment = os.environ | {"SWITCHBOARD_TEST_EXAMPLES": "40"}
        subprocess.run([*mutmut, "run"], cwd=place, env=environment, check=False)  # noqa: S603 - our own
        survivors = subprocess.run([*mutmut, "results"], cwd=place, capture_output=True, text=True, check=False).stdout  # noqa: S603
        subprocess.run([*mutmut, "export-cicd-stats"], cwd=place, capture_output=True, check=False)  # noqa: S603
        counts = json.loads((place / "mutants/mutmut-cicd-stats.json").read_text())
    share = counts["killed"] / max(1, counts["total"] - counts.get("skipped", 0))
    print(survivors)  # noqa: T201 - a program's output
    print(f"{counts['killed']} of {counts['total']} mutants noticed: {share:.1%}")  # noqa: T201
    if wanted.json:
        wanted.json.write_text(json.dumps(counts | {"share": share}, indent=2) + "\n", encoding="utf-8")
    return 0 if share >= LEAST_KILLED else 1


if __name__ == "__main__":
    sys.exit(main())
