"""A decision in words, for a practice manager; and why a given member was not told (rule X1)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from router.domain.facts import OTHER, PlaceId, ReasonId, StaffId
from router.domain.policy import Policy, Subscription

_REASON_WORDS = {
    "picked": "The patient picked {reason}",
    "sticky": "Kept {reason} because the previous message was {gap} earlier",
    "extension": "The caller chose the extension of {reason}",
    "carried": "Kept {reason}, which the conversation carries",
}
_NO_REASON_WORDS = {
    "R5": "A {channel} removes the reason at once",
    "R6": "The extension that the caller chose is not about a reason",
    "R7": "Reasons are switched off",
    "R10": "An earlier text or voicemail within the window had removed the reason",
    "R12": "The patient gave no reason",
    "R13": "The message arrived late, and the conversation carries no reason",
    "R15": "The practice's settings leave no reason on this channel",
}
_BECAUSE_WORDS = {
    "subscription": "subscribed to this",
    "default_subscriber": "default subscriber: nobody else is subscribed to this",
    "assignee": "the conversation is assigned to this person",
    "inbox_member": "looks after the shared inbox that the conversation is in",
    "unassigned_subscriber": "subscribed to Unassigned, and routing is off",
}


@dataclass(frozen=True, slots=True)
class Told:
    """What was decided, as far as words are about it. `gap` is the time since the patient's previous message."""

    channel: str
    reason_id: str | None
    reason_label: str | None
    reason_source: str
    location_id: str | None
    location_label: str | None
    location_source: str
    is_location_stale: bool
    is_location_retired: bool
    appointment_id: str | None
    destination: str
    audience: Sequence[tuple[str, str]]
    is_unrouted: bool
    is_late: bool
    rules: Sequence[str]
    gap: timedelta | None


def in_words(told: Told) -> tuple[str, ...]:
    """The decision, sentence by sentence, each with the rules that it follows."""
    return tuple(_sentences(told))


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One subscription that did not match, and in which dimensions."""

    subscription_id: str
    dimensions: tuple[str, ...]


def mismatches(
    policy: Policy, staff_id: StaffId, reason: ReasonId | None, location: PlaceId, provider: PlaceId
) -> tuple[Mismatch, ...]:
    """Why none of a member's subscriptions matched; one that did match is left out."""
    member = policy.members.get(staff_id)
    if member is None:
        return ()
    found = (
        Mismatch(one.subscription_id, tuple(_differing(one, policy, reason, location, provider)))
        for one in member.subscriptions
    )
    return tuple(one for one in found if one.dimensions)


def why_not(policy: Policy, staff_id: StaffId, destination: str, found: Sequence[Mismatch]) -> str:
    """One sentence on why this member was not told."""
    member = policy.members.get(staff_id)
    if member is None:
        return "This person is not on the practice's staff."
    if not member.is_active:
        return "This person is deactivated (D4)."
    if destination != "unassigned":
        return "The conversation is in somebody's inbox: subscriptions do not apply (D2, D3)."
    if not member.subscriptions:
        return "This person is subscribed to nothing."
    if not found:
        return "A subscription of this person matches."
    return "; ".join(
        f"subscription {one.subscription_id} does not match in {' and '.join(one.dimensions)}" for one in found
    )


def _differing(
    one: Subscription, policy: Policy, reason: ReasonId | None, location: PlaceId, provider: PlaceId
) -> Iterator[str]:
    dimensions = (
        ("reason", policy.reason_routing, one.reasons, reason or OTHER),
        ("location", policy.location_routing, one.locations, location),
        ("provider", policy.provider_routing, one.providers, provider),
    )
    for name, is_on, chosen, label in dimensions:
        if is_on and chosen is not None and label not in chosen:
            yield name


def _sentences(told: Told) -> Iterator[str]:
    if told.is_late:
        yield "A newer message was routed before: this one changes no label and no inbox (R13)."
    yield f"{_about_reason(told)} ({_fired(told, 'R') or 'R8'})."
    if _fired(told, "L") != "L4":
        yield f"{_about_location(told)} ({_fired(told, 'L')})."
    where = {"unassigned": "Unassigned", "member": "a member's inbox", "shared_inbox": "a shared inbox"}[
        told.destination
    ]
    yield f"The conversation is in {where} ({_fired(told, 'D') or 'M3'})."
    if told.is_unrouted:
        yield "Nobody could be told: it waits in Unassigned, and administrators see it (M4)."
    for staff_id, because in told.audience:
        yield f"{staff_id} is told: {_BECAUSE_WORDS[because]} ({_fired(told, 'M') or _fired(told, 'D')})."


def _about_reason(told: Told) -> str:
    if told.reason_id is None:
        rule = next((rule for rule in told.rules if rule in _NO_REASON_WORDS), "R12")
        words = {"sms": "text", "voicemail": "voicemail", "web": "web message"}[told.channel]
        return _NO_REASON_WORDS[rule].format(channel=words)
    reason = f"'{told.reason_label or told.reason_id}'"
    return _REASON_WORDS[told.reason_source].format(reason=reason, gap=_duration(told.gap))


def _about_location(told: Told) -> str:
    place = f"'{told.location_label or told.location_id}'"
    flags = (", which the practice has given up," if told.is_location_retired else "") + (
        " (by knowledge older than the practice's limit)" if told.is_location_stale else ""
    )
    match told.location_source:
        case "appointment":
            return f"The next appointment is at {place}{flags}"
        case "carried":
            return f"There is no upcoming appointment; kept {place}{flags}"
        case _:
            return "There is no upcoming appointment, and no location is known"


def _fired(told: Told, letter: str) -> str:
    return ", ".join(rule for rule in told.rules if rule.startswith(letter))


def _duration(gap: timedelta | None) -> str:
    if gap is None:
        return "a while"
    minutes = round(gap.total_seconds() / 60)
    return f"{minutes} minutes" if minutes > 1 else f"{gap.total_seconds():.0f} seconds"
