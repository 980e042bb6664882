"""Looks for secrets in what git tracks: `python -m tools.secrets [FILE…]`. Says where one is, and never which.

What looks like a secret and is none has the comment `pragma: allowlist secret` in its line, or its file is in `NO_SECRETS`.
"""

import subprocess
import sys
from pathlib import Path

from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import default_settings

NO_SECRETS = {
    "uv.lock": "digests",
    "docs/contracts": "generated; digests and examples",
    "shared/schemas": "generated",
    "services/notifier/src/notifier/web/vendored.json": "digests of what is vendored",
    "deploy/postgres/10-logins.sh": "the form of a DSN",
    "deploy/prepare": "a DSN around a password that is made there",
    "tests/integration/command_line/test_doctor.py": "made up",
    "tests/unit/pm_sync/smart_keys.json": "keys that the standard publishes as examples",
    "tests/unit/pm_sync/test_smart.py": "made up",
}
"""Files and folders, and what is in them instead."""


def main(files: list[str]) -> int:
    """1 when there is one."""
    tracked = files or subprocess.run(
        ["git", "ls-files"], capture_output=True, text=True, check=True  # noqa: S607
    ).stdout.splitlines()  # fmt: skip
    wanted = [one for one in tracked if not one.startswith(tuple(NO_SECRETS)) and Path(one).is_file()]
    found = SecretsCollection()
    with default_settings() as settings:
        settings.disable_plugins("KeywordDetector")  # ruff's S105 to S107 are better at it
        settings.disable_filters("detect_secrets.filters.common.is_ignored_due_to_verification_policies")
        found.scan_files(*wanted)
    for path, secret in found:
        sys.stderr.write(f"{path}:{secret.line_number}: {secret.type}: take it out, or say that it is none\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
