"""An error about what was sent never repeats it: every form that reads something from outside is shown something."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

PACKAGES = (
    "ingest", "router", "notifier", "pm_sync", "shared_schemas", "shared_web", "shared_messaging", "switchboard_adapter",
    "switchboard_cli",
)  # fmt: skip
NOT_READ = ("notifier.views", "switchboard_cli.demo", "router.api.subscriptions.Effect")
"""Answers of ours, and the stand-ins of the demo."""
CANARY = "Madeup canary 202-555-0187"


def modules() -> Iterator[Any]:
    for name in PACKAGES:
        package = importlib.import_module(name)
        for found in pkgutil.walk_packages(package.__path__, f"{name}."):
            is_program = found.name.endswith(("__main__", "embedded.launch")) or ".migrations" in found.name
            if not is_program and not found.name.startswith(NOT_READ):
                yield importlib.import_module(found.name)


def forms() -> dict[str, TypeAdapter[Any]]:
    found: dict[str, TypeAdapter[Any]] = {}
    for module in modules():
        for name, thing in vars(module).items():
            if f"{module.__name__}.{name}".startswith(NOT_READ):
                continue
            if isinstance(thing, TypeAdapter):
                found[f"{module.__name__}.{name}"] = thing
            elif isinstance(thing, type) and issubclass(thing, BaseModel) and thing.__module__ == module.__name__:
                found[f"{module.__name__}.{name}"] = TypeAdapter(thing)
    return found


FORMS = forms()


@pytest.mark.parametrize("name", FORMS)
def test_an_error_does_not_repeat_what_was_sent(name: str) -> None:
    for sent in (CANARY, {"auth": CANARY}, {field: {"no": CANARY} for field in _fields(FORMS[name])}):
        assert CANARY not in _mistakes(FORMS[name], sent)


def _mistakes(form: TypeAdapter[Any], sent: object) -> str:
    try:
        form.validate_python(sent)
    except ValidationError as error:
        return str(error)
    return ""


def _fields(form: TypeAdapter[Any]) -> list[str]:
    return list(form.json_schema(mode="validation").get("properties", {"none": None}))


def test_there_are_forms_to_try() -> None:
    assert len(FORMS) > 50
    assert "ingest.configuration.CHANNEL" in FORMS
