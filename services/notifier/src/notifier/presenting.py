"""The practice as staff apps read it."""

from notifier.storage.duty import State
from notifier.views import Colleague, DutyState, PracticeView, SharedInboxView
from shared_schemas.practice_management import DirectorySyncedV1
from shared_schemas.practice_settings import RoutingSettingsPublishedV1
from shared_web import Principal


def practice_view(
    caller: Principal,
    settings: RoutingSettingsPublishedV1 | None,
    directory: DirectorySyncedV1 | None,
    duty: State | None,
) -> PracticeView:
    """What an app needs to know. A practice that was never set up has nobody and both routings off."""
    practice_id = caller.practice_id or ""
    known = settings or RoutingSettingsPublishedV1(practice_id=practice_id)
    return PracticeView(
        practice_id=practice_id,
        staff_id=caller.staff_id,
        role="administrator" if caller.role == "administrator" else "member",
        settings_version=known.version,
        reason_routing=known.reason_routing,
        location_routing=known.location_routing,
        provider_routing=known.provider_routing,
        label_correction=known.label_correction,
        members=[
            Colleague(staff_id=one.staff_id, name=one.name, role=one.role, active=one.active) for one in known.members
        ],
        shared_inboxes=[
            SharedInboxView(id=one.id, label=one.label, members=list(one.members)) for one in known.shared_inboxes
        ],
        reasons=list(known.reasons),
        locations=list(directory.locations) if directory is not None else [],
        providers=list(directory.providers) if directory is not None else [],
        duty=duty_state(duty),
    )


def duty_state(found: State | None) -> DutyState | None:
    """Who is on duty, as the API says it."""
    return DutyState(on_duty=list(found.on_duty), as_of=found.as_of) if found is not None else None
