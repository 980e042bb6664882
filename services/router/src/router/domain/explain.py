"""A decision in words, for a practice manager; and why a given member was not told (rule X1)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from router.domain.facts import OTHER, PlaceId, ReasonId, StaffId
from router.domain.policy import Policy, Subscription
from router.domain.sentences import SENTENCES, Language


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


def in_words(told: Told, language: Language = "en") -> tuple[str, ...]:
    """The decision, sentence by sentence, each with the rules that it follows."""
    return tuple(_sentences(told, SENTENCES[language]))


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


def why_not(
    policy: Policy, staff_id: StaffId, destination: str, found: Sequence[Mismatch], language: Language = "en"
) -> str:
    """One sentence on why this member was not told."""
    member, words = policy.members.get(staff_id), SENTENCES[language]
    if member is None:
        return words["why_not.unknown"]
    if not member.is_active:
        return words["why_not.inactive"]
    if destination != "unassigned":
        return words["why_not.elsewhere"]
    if not member.subscriptions:
        return words["why_not.nothing"]
    if not found:
        return words["why_not.matches"]
    return "; ".join(
        words["why_not.differs"].format(
            id=one.subscription_id, dimensions=words["and"].join(words[name] for name in one.dimensions)
        )
        for one in found
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


def _sentences(told: Told, words: Mapping[str, str]) -> Iterator[str]:
    if told.is_late:
        yield words["late"]
    yield f"{_about_reason(told, words)} ({_reason_rules(told)})."
    if told.offers_menu:
        yield words["menu"]
    location_rules = [rule for rule in told.rules[: _provider_starts(told)] if rule.startswith("L")]
    if location_rules not in ([], ["L4"]):
        yield f"{_about_place('location', told.location, words)} ({', '.join(location_rules)})."
    if "L8" in told.rules:
        yield f"{_about_place('provider', told.provider, words)} (L8)."
    where = words[f"inbox.{told.destination}"].format(inbox=told.inbox)
    place = words["conversation.opens" if "D1" in told.rules else "conversation.is"].format(where=where)
    yield f"{place} ({_fired(told, 'D') or 'M3'})."
    if told.is_unrouted:
        yield words["unrouted"]
    for name, because in told.audience:
        yield f"{words['told'].format(name=name, because=words[f'because.{because}'])} ({_audience_rules(told)})."


def _about_reason(told: Told, words: Mapping[str, str]) -> str:
    if told.reason is None:
        rule = next(rule for rule in told.rules if f"no_reason.{rule}" in words)
        return words[f"no_reason.{rule}"].format(channel=words[f"channel.{told.channel}"])
    said = words[f"reason.{told.reason_source}"]
    return said.format(reason=words["quoted"].format(name=told.reason), gap=_duration(told.gap, words))


def _reason_rules(told: Told) -> str:
    offered = {"R16"} if told.offers_menu else set[str]()
    return ", ".join(rule for rule in told.rules if rule.startswith("R") and rule not in offered)


def _audience_rules(told: Told) -> str:
    """M3 is about the inbox, not about people."""
    return ", ".join(rule for rule in told.rules if rule[0] == "M" and rule != "M3") or _fired(told, "D")


def _about_place(what: str, place: ToldPlace, words: Mapping[str, str]) -> str:
    if place.name is None:
        return words[f"{what}.none"]
    said = words[f"{what}.next" if place.source == "appointment" else f"{what}.kept"].format(name=place.name)
    retired = words["place.retired"] if place.is_retired else ""
    stale = words["place.stale"] if place.is_stale else ""
    return f"{said}{retired}{stale}"


def _provider_starts(told: Told) -> int:
    return list(told.rules).index("L8") if "L8" in told.rules else len(told.rules)


def _fired(told: Told, letter: str) -> str:
    return ", ".join(rule for rule in told.rules if rule.startswith(letter))


def _duration(gap: timedelta | None, words: Mapping[str, str]) -> str:
    if gap is None:
        return words["gap.unknown"]
    minutes = round(gap.total_seconds() / 60)
    if minutes > 1:
        return words["gap.minutes"].format(n=minutes)
    if gap < timedelta(seconds=2):
        return words["gap.moment"]
    return words["gap.seconds"].format(n=round(gap.total_seconds()))
