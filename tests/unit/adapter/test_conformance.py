"""The conformance kit passes the example, and finds what a careless adapter does wrong."""

import subprocess
import sys
from pathlib import Path

import pytest

from switchboard_adapter.conformance import conformance
from tests.unit.adapter.mail_driver import ForgetfulDriver, MailDriver

ROOT = Path(__file__).resolve().parents[3]


def test_the_example_passes_every_check() -> None:
    assert {one.name: list(one.problems) for one in conformance(MailDriver) if one.problems} == {}


@pytest.mark.parametrize(
    "word", ["address", "same id", "order", "Switchboard could not be reached", "UTF-8", "two megabytes", "tomorrow"]
)
def test_a_careless_adapter_is_found_out(word: str, careless: dict[str, list[str]]) -> None:
    assert any(word in name for name, problems in careless.items() if problems), careless


@pytest.fixture(scope="session")
def careless() -> dict[str, list[str]]:
    return {one.name: list(one.problems) for one in conformance(ForgetfulDriver)}


def test_the_command_names_each_check_and_says_when_there_is_no_driver() -> None:
    command = [sys.executable, "-m", "switchboard_adapter.conformance"]
    good = subprocess.run(  # noqa: S603 - our own
        [*command, "tests.unit.adapter.mail_driver:MailDriver"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    none = subprocess.run([*command, "nothing:Here"], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603

    assert good.returncode == 0
    assert good.stdout.count("ok  ") == 8
    assert none.returncode == 2
    assert "there is no driver nothing:Here" in none.stderr
