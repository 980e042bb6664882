"""Nothing is served that the policy does not list, and every answer has the headers that keep browsers honest."""

from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI

from shared_web import Callers, Policy, Principal, administrator_of, apply_policy, install_problem_details
from shared_web.headers import ANSWER_HEADERS
from shared_web.policy import PolicyMismatch
from tools.contracts import apps

WELL: Policy = {"GET /well": Callers.ANYBODY}
PATH = "/v1/practices/{practice_id}/thing"


def app_with(*, checked: bool) -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    install_problem_details(app)

    @app.get("/well")
    async def well() -> str:
        return "well"

    if checked:

        @app.get(PATH)
        async def checks(_: Annotated[Principal, Depends(administrator_of)]) -> None: ...

    else:

        @app.get(PATH)
        async def forgets(practice_id: str) -> None:
            raise RuntimeError(practice_id)

    return app


@pytest.mark.parametrize(
    ("checked", "policy", "problem"),
    [
        (True, WELL, "is not in the policy"),
        (
            True,
            {**WELL, f"GET {PATH}": Callers.ADMINISTRATOR, "GET /gone": Callers.ANYBODY},
            "GET /gone is in the policy, and",
        ),
        (False, {**WELL, f"GET {PATH}": Callers.ADMINISTRATOR}, "does not depend on administrator_of"),
        (True, {**WELL, f"GET {PATH}": Callers.MEMBER}, "does not depend on member_of"),
        (True, {**WELL, f"GET {PATH}": Callers.ADMINISTRATOR}, None),
    ],
)
def test_an_app_is_made_only_where_policy_and_endpoints_agree(
    *, checked: bool, policy: Policy, problem: str | None
) -> None:
    app = app_with(checked=checked)
    if problem is None:
        apply_policy(app, policy)
    else:
        with pytest.raises(PolicyMismatch, match=problem):
            apply_policy(app, policy)


@pytest.mark.parametrize(("name", "app"), apps().items(), ids=apps())
def test_every_service_has_a_policy(name: str, app: FastAPI) -> None:
    assert app.state.policy, name


@pytest.mark.parametrize("path", ["/well", "/nothing", PATH, "/v1/practices/own/thing?that=fails"])
async def test_every_answer_has_the_headers(path: str) -> None:
    transport = httpx.ASGITransport(app_with(checked=path == PATH), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://switchboard.test") as http:
        answer = await http.get(path)

    assert answer.is_error == (path != "/well")
    assert {name: answer.headers.get(name) for name in ANSWER_HEADERS} == ANSWER_HEADERS
