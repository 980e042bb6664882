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
    "menu": "The patient answered the reason menu with {reason}",
    "carried": "Kept {reason}, which the conversation carries",
}
_NO_REASON_WORDS = {
    "R5": "A {channel} carries no reason, and takes an earlier one away",
    "R6": "The extension that the caller chose is not about a reason",
    "R7": "Reasons are switched off",
    "R10": "An earlier text or voicemail within the window had removed the reason",
    "R12": "The patient gave no reason",
    "R13": "The message arrived late, and the conversation carries no reason",
    "R15": "The practice's settings leave no reason on this channel",
}
_CHANNEL_WORDS = {"sms": "text", "voicemail": "voicemail", "web": "web message"}
_BECAUSE_WORDS = {
    "subscription": "subscribed to such messages",
    "default_subscriber": "default subscriber: nobody else is subscribed to such messages",
    "assignee": "the conversation is assigned to this person",
    "inbox_member": "looks after the shared inbox that the conversation is in",
    "unassigned_subscriber": "subscribed to Unassigned, and routing is off",
}


@dataclass(frozen=True, slots=True)
class ToldPlace:
    """The location or the provider of a decision."""

    name: str | None
    """None: none known."""
    source: str
    is_stale: bool
    is_retired: bool


@dataclass(frozen=True, slots=True)
class Told:
    """What was decided, as far as words are about it. `gap` is the time since the patient's previous message."""

    channel: str
    reason: str | None
    """In the practice's words."""
    reason_source: str
    location: ToldPlace
    provider: ToldPlace
    destination: str
    inbox: str | None
    """Whose inbox, or which."""
    audience: Sequence[tuple[str, str]]
    """Names, and why."""
    is_unrouted: bool
    is_late: bool
    offers_menu: bool
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
    yield f"{_about_reason(told)} ({_reason_rules(told)})."
    if told.offers_menu:
        yield "The patient is texted the reasons to choose from (R16)."
    location_rules = [rule for rule in told.rules[: _provider_starts(told)] if rule.startswith("L")]
    if location_rules not in ([], ["L4"]):
        yield f"{_about_place('at', 'location', told.location)} ({', '.join(location_rules)})."
    if "L8" in told.rules:
        yield f"{_about_place('with', 'provider', told.provider)} (L8)."
    where = {
        "unassigned": "Unassigned",
        "member": f"the inbox of {told.inbox}",
        "shared_inbox": f"the shared inbox {told.inbox}",
    }[told.destination]
    verb = "was new or closed, and opens in" if "D1" in told.rules else "is in"
    yield f"The conversation {verb} {where} ({_fired(told, 'D') or 'M3'})."
    if told.is_unrouted:
        yield "Nobody could be told: it waits in Unassigned, and administrators see it (M4)."
    for name, because in told.audience:
        yield f"{name} is told: {_BECAUSE_WORDS[because]} ({_audience_rules(told)})."


def _about_reason(told: Told) -> str:
    if told.reason is None:
        rule = next(rule for rule in told.rules if rule in _NO_REASON_WORDS)
        return _NO_REASON_WORDS[rule].format(channel=_CHANNEL_WORDS[told.channel])
    return _REASON_WORDS[told.reason_source].format(reason=f"'{told.reason}'", gap=_duration(told.gap))


def _reason_rules(told: Told) -> str:
    offered = {"R16"} if told.offers_menu else set[str]()
    return ", ".join(rule for rule in told.rules if rule.startswith("R") and rule not in offered)


def _audience_rules(told: Told) -> str:
    """M3 is about the inbox, not about people."""
    return ", ".join(rule for rule in told.rules if rule[0] == "M" and rule != "M3") or _fired(told, "D")


def _about_place(preposition: str, what: str, place: ToldPlace) -> str:
    if place.name is None:
        return f"There is no upcoming appointment, and no {what} is known"
    retired = ", which the practice has given up" if place.is_retired else ""
    stale = " (by knowledge older than the practice's limit)" if place.is_stale else ""
    if place.source == "appointment":
        return f"The next appointment is {preposition} '{place.name}'{retired}{stale}"
    return f"There is no upcoming appointment; kept '{place.name}'{retired}{stale}"


def _provider_starts(told: Told) -> int:
    return list(told.rules).index("L8") if "L8" in told.rules else len(told.rules)


def _fired(told: Told, letter: str) -> str:
    return ", ".join(rule for rule in told.rules if rule.startswith(letter))


def _duration(gap: timedelta | None) -> str:
    if gap is None:
        return "a while"
    minutes = round(gap.total_seconds() / 60)
    if minutes > 1:
        return f"{minutes} minutes"
    return f"{gap.total_seconds():.0f} seconds" if gap >= timedelta(seconds=2) else "a moment"
