"""Who may call each endpoint: said in one place for each service, and what is not said there is not served.

A service's `policy.py` lists its endpoints; `apply_policy` refuses to make an app that has another one, or one whose
dependencies do not check what the policy says. That a check does what its name says is shown by
`tests/e2e/test_access.py`, for every endpoint and every kind of caller.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.routing import RouteContext, iter_route_contexts

from shared_web.principals import (
    administrator_of,
    current_principal,
    member_of,
    overseer,
    staff_administrator,
    staff_of,
)

if TYPE_CHECKING:
    from fastapi.dependencies.models import Dependant


class Callers(StrEnum):
    """Who may call an endpoint. Nobody else does, of whatever practice."""

    ANYBODY = "anybody"
    """What it answers is about no patient: files of pages, health, signing in."""
    VISITOR = "visitor"
    """A page. Whoever is not signed in, or not logged in, is sent to where that is done."""
    PROVIDER = "provider"
    """The provider of a channel, by its signature."""
    ADAPTER = "adapter"
    """Somebody else's channel adapter, by its token: for its own practice."""
    PATIENT = "patient"
    """The patient of a messenger session; a change needs the session's CSRF token."""
    STAFF_OR_PATIENT = "staff-or-patient"
    """The staff of the practice, or the patient whose file it is."""
    SIGNED_IN = "signed-in"
    """Whoever has a valid token: it is about the token itself."""
    STAFF = "staff"
    """The staff of a practice: what they get is of the practice that their token names."""
    STAFF_OR_TICKET = "staff-or-ticket"
    """The same, or by a ticket that one of them was given: it works once."""
    STAFF_ADMINISTRATOR = "staff-administrator"
    """The administrators among them."""
    OVERSEER = "overseer"
    """Administrators of a practice, and operators."""
    MEMBER = "member"
    """The staff of the practice in the path, and operators."""
    ADMINISTRATOR = "administrator"
    """The administrators of the practice in the path, and operators."""


Policy = Mapping[str, Callers]
"""By method and path, as `GET /v1/practices/{practice_id}`; `*` is a part that changes with each release."""

HEALTH: Policy = {
    "GET /health/live": Callers.ANYBODY,
    "GET /health/ready": Callers.ANYBODY,
    "GET /metrics": Callers.ANYBODY,
}
"""Of every service. A gateway passes none of it on."""

_CHECKS: Mapping[Callers, Callable[..., Any]] = {
    Callers.SIGNED_IN: current_principal,
    Callers.STAFF: staff_of,
    Callers.STAFF_ADMINISTRATOR: staff_administrator,
    Callers.OVERSEER: overseer,
    Callers.MEMBER: member_of,
    Callers.ADMINISTRATOR: administrator_of,
}
_DIGEST = re.compile(r"(?<=/)[0-9a-f]{12}(?=/)")


class PolicyMismatch(Exception):  # noqa: N818 - a fact about the code
    """The endpoints of an app are not the ones of its policy; says which."""


def apply_policy(app: FastAPI, policy: Policy) -> None:
    """Check that the app serves what its policy lists, under the checks that it names. Raises `PolicyMismatch`."""
    served = dict(endpoints(app))
    problems = [f"{one} is not in the policy: say who may call it" for one in sorted(served.keys() - policy.keys())]
    problems += [f"{one} is in the policy, and not served" for one in sorted(policy.keys() - served.keys())]
    for one, route in served.items():
        check = _CHECKS.get(policy.get(one, Callers.ANYBODY))
        if check is not None and check not in _checks_of(route):
            problems.append(f"{one} does not depend on {check.__name__}, as its policy says")
    if problems:
        raise PolicyMismatch("; ".join(problems))
    app.state.policy = policy


def endpoints(app: FastAPI) -> Iterator[tuple[str, RouteContext]]:
    """All that an app serves, by method and path."""
    for route in iter_route_contexts(app.routes):
        path = _DIGEST.sub("*", route.path or "")
        for method in sorted(route.methods or ()):
            yield f"{method} {path}", route


def _checks_of(route: RouteContext) -> set[object]:
    found: set[object] = set()
    waiting: list[Dependant] = list(route.dependant.dependencies) if route.dependant is not None else []
    while waiting:
        one = waiting.pop()
        found.add(one.call)
        waiting.extend(one.dependencies)
    return found
