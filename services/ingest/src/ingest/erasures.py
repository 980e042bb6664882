"""Administrators ask that a patient is erased, and see what became of it."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from fastapi import Path as PathParameter

from ingest.publishing import Doors
from ingest.storage.erasures import Erasure, ask_erasure, erasures_of, withdraw_erasure
from shared_database import audit
from shared_web import Principal, Problem, administrator_of

Administrator = Annotated[Principal, Depends(administrator_of)]
PatientId = Annotated[str, PathParameter(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


def routes(doors: Callable[[], Doors]) -> APIRouter:
    """The endpoints. `doors` is asked at each request: they exist only while the app runs."""
    router = APIRouter(prefix="/v1/practices/{practice_id}/erasures")

    @router.get("")
    async def list_erasures(
        practice_id: str, caller: Administrator, limit: Annotated[int, Query(ge=1, le=500)] = 100
    ) -> list[Erasure]:
        """The newest first, those that are done too."""
        found = await erasures_of(doors().pool, practice_id, limit)
        await audit(doors().pool, practice_id, caller, "list", "erasures", (one.patient_id for one in found))
        return found

    @router.put("/{patient_id}", status_code=HTTPStatus.ACCEPTED)
    async def ask(practice_id: str, patient_id: PatientId, caller: Administrator) -> Erasure:
        """It is done when the operator's `switchboard erase --asked` runs next; until then it can be withdrawn.

        Remove the patient from the practice-management system, and close the conversation.
        """
        parts = doors()
        await audit(parts.pool, practice_id, caller, "save", f"erasure:{patient_id}", (patient_id,))
        return await ask_erasure(parts.pool, practice_id, patient_id, caller.staff_id, parts.clock())

    @router.delete("/{patient_id}", status_code=HTTPStatus.NO_CONTENT)
    async def withdraw(practice_id: str, patient_id: PatientId, caller: Administrator) -> Response:
        """What is done stays done."""
        await audit(doors().pool, practice_id, caller, "delete", f"erasure:{patient_id}", (patient_id,))
        if not await withdraw_erasure(doors().pool, practice_id, patient_id):
            raise Problem(HTTPStatus.NOT_FOUND, "There is no erasure of this patient that is still to be done")
        return Response(status_code=HTTPStatus.NO_CONTENT)

    return router
