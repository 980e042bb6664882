"""Duty times: read by all staff, set by administrators, one's own by oneself."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from notifier.api.dependencies import Ask, Dependencies, Staff, practice_id_of
from notifier.domain.duty import Duty, DutyTimes, PracticeHours
from notifier.presenting import duty_state
from notifier.storage.duty import duty_of, save_hours, save_times, states_of
from notifier.views import DutyView
from shared_database import practice_scope
from shared_web import Principal, Problem
from shared_web.principals import staff_administrator

Administrator = Annotated[Principal, Depends(staff_administrator)]
StaffId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


def routes(dependencies: Ask) -> APIRouter:
    """`/v1/duty`."""
    router = APIRouter(prefix="/v1/duty")

    @router.get("")
    async def duty(caller: Staff) -> DutyView:
        """When the practice is open, when each person is on duty, and who is now."""
        parts, practice_id = dependencies(), practice_id_of(caller)
        await parts.practice_for(caller)
        async with practice_scope(parts.pool, practice_id) as connection:
            found = await duty_of(connection, practice_id) or Duty(PracticeHours(), {})
            now = (await states_of(connection, [practice_id])).get(practice_id)
        return DutyView(hours=found.hours, people=dict(found.people), now=duty_state(now))

    @router.put("", status_code=HTTPStatus.NO_CONTENT)
    async def set_hours(caller: Administrator, body: PracticeHours) -> Response:
        """Set what holds for the practice as a whole (administrators)."""
        parts = dependencies()
        await parts.practice_for(caller)
        await parts.audit(caller, "save", "duty")
        await save_hours(parts.pool, practice_id_of(caller), body, parts.clock())
        return Response(status_code=HTTPStatus.NO_CONTENT)

    @router.put("/{staff_id}", status_code=HTTPStatus.NO_CONTENT)
    async def set_times(caller: Staff, staff_id: StaffId, body: DutyTimes) -> Response:
        """Set when a person is on duty: oneself, or anybody for administrators."""
        parts = dependencies()
        if caller.staff_id != staff_id and caller.role != "administrator":
            raise Problem(HTTPStatus.FORBIDDEN, "Only administrators set other people's duty times")
        await _check_people(parts, caller, staff_id, body)
        await parts.audit(caller, "save", f"duty:{staff_id}")
        try:
            await save_times(parts.pool, practice_id_of(caller), staff_id, body, parts.clock())
        except ValueError as error:
            detail = f"If {body.substitute} stands in for {staff_id}, {error}."
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "Substitutes in a circle", detail=detail) from None
        return Response(status_code=HTTPStatus.NO_CONTENT)

    return router


async def _check_people(parts: Dependencies, caller: Principal, staff_id: str, body: DutyTimes) -> None:
    practice = await parts.practice_for(caller)
    known = practice.by_id if practice is not None else {}
    if staff_id not in known:
        raise Problem(HTTPStatus.NOT_FOUND, "There is no such member")
    if body.substitute is not None and body.substitute not in known:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "The substitute is no member of the practice")
