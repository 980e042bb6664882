"""Every stop that waits for a person names a page that says what this person does."""

from pathlib import Path

import pytest

from shared_messaging import PartitionsChanged, ProgressLost, TooManyDeadLetters
from shared_messaging.failures import ConsumptionStopped

RUNBOOKS = Path("docs/runbooks")


@pytest.mark.parametrize("stop", [ProgressLost, PartitionsChanged, TooManyDeadLetters])
def test_a_stop_has_a_runbook_that_begins_with_its_name(stop: type[ConsumptionStopped]) -> None:
    first, *_ = (RUNBOOKS / f"{stop.runbook}.md").read_text(encoding="utf-8").splitlines()
    assert stop.__name__ in first
