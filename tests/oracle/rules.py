"""The rules, looked up in the whole history every time. Nothing is carried along: what a conversation carries is found by
going back to where it came from.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from tests.oracle.happenings import Did, Happening, Listed, Said, Saved, Synced

ROUTABLE = {"proposed", "pending", "booked", "arrived", "checked-in"}
WINDOWS = {"PT0S": timedelta(0), "PT1H": timedelta(hours=1), "PT4H": timedelta(hours=4), "PT24H": timedelta(hours=24)}
NO_SETTINGS: Mapping[str, Any] = {
    "reason_routing": False, "location_routing": False, "provider_routing": False,
    "stickiness": {"window": "PT1H", "broken_by": ["sms", "voicemail"]}, "reasons": [], "extensions": [],
    "shared_inboxes": [], "members": [], "default_subscribers": [], "freshness_limit": "PT24H",
    "sms_reason_menu": False, "label_correction": False,
}  # fmt: skip


@dataclass(frozen=True)
class Place:
    """A location or provider label as the history knows it."""

    id: str | None
    as_of: datetime | None = None


@dataclass(frozen=True)
class Verdict:
    """What the rules say about a message."""

    reason: str | None
    location: str | None
    provider: str | None
    stale: tuple[bool, bool]
    retired: tuple[bool, bool]
    destination: str
    audience: tuple[tuple[str, str, str | None], ...]
    unrouted: bool
    late: bool
    menu: bool


@dataclass(frozen=True)
class Outcome:
    """What the rules say about an action."""

    rejected: str | None
    is_open: bool
    destination: str
    reason: str | None
    location: str | None
    audience: tuple[tuple[str, str, str | None], ...]
    version: int


T = TypeVar("T")


class Oracle:
    """Answers for every index of a history."""

    def __init__(self, history: Sequence[Happening]) -> None:
        self._history = history
        self._answers: dict[tuple[str, int], Any] = {}

    def _remembered(self, name: str, index: int, find: Callable[[int], T]) -> T:
        """The history does not change: the same question has the same answer."""
        key = (name, index)
        if key not in self._answers:
            self._answers[key] = find(index)
        answer: T = self._answers[key]
        return answer

    # What is asked for.

    def happened(self, index: int) -> Happening:
        """What is at this index."""
        return self._history[index]

    def verdict(self, index: int) -> Verdict:
        """What becomes of the message at this index."""
        location, provider = self._place(index, "location"), self._place(index, "provider")
        destination, reason = self._destination(index), self._reason(index)
        audience = self._audience(index, destination, reason, location, provider)
        return Verdict(
            reason=reason,
            location=location.id,
            provider=provider.id,
            stale=(self._is_stale(index, location), self._is_stale(index, provider)),
            retired=(self._is_retired(index, location), self._is_retired(index, provider)),
            destination=destination,
            audience=audience,
            unrouted=not audience,
            late=self._is_late(index),
            menu=self._offers_menu(index),
        )

    def outcome(self, index: int) -> Outcome:
        """What becomes of the conversation at this index."""
        rejected, after = self._rejection(index), index + 1
        patient = self._did(index).patient
        destination = self._destination_before(after, patient)
        stands = self._standing(index, destination)
        is_open = self._is_open_before(after, patient)
        reason = self._carried_reason(after, patient)
        location, provider = (self._carried_place(after, patient, kind) for kind in ("location", "provider"))
        audience = self._audience(index, stands, reason, location, provider) if is_open and rejected is None else ()
        version = self._version_before(after, patient)
        return Outcome(rejected, is_open, destination, reason, location.id, audience, version)

    # Reason.

    def _reason(self, index: int) -> str | None:
        return self._remembered("reason", index, self._find_reason)

    def _find_reason(self, index: int) -> str | None:
        said, settings = self._said(index), self._settings(index)
        carried = self._carried_reason(index, said.patient)
        if self._is_late(index):  # R13
            return carried
        if not settings["reason_routing"]:  # R7
            return None
        breaks = said.channel in settings["stickiness"]["broken_by"]  # R15
        if said.channel == "voicemail":  # R6
            target = self._extension(index)
            if "reason_id" in target:
                return self._known_or_other(index, target["reason_id"])
            if target:
                return None
        if said.channel == "sms" and self._answers_menu(index):  # R16
            return self._known_or_other(index, said.requested)
        if said.channel != "web":  # R5, R15
            return None if breaks or not (self._was_open(index) or self._is_inside(index)) else carried
        requested = self._known_or_other(index, said.requested)
        if breaks:
            return requested
        if self._is_inside(index):  # R4, R10, R11
            return carried if carried is not None else requested
        if requested is not None:  # R1, R11
            return requested
        return carried if self._was_open(index) else None  # R12

    def _known_or_other(self, index: int, reason: str | None) -> str | None:
        if reason is None:
            return None
        known = {one["id"] for one in self._settings(index)["reasons"] if not one["retired"]}
        return reason if reason in known else "other"  # R14

    def _is_inside(self, index: int) -> bool:
        said, window = self._said(index), self._window(index)
        before = [one.at for one in self._messages_before(index, said.patient)]
        return bool(before) and bool(window) and said.at - max(before) <= window  # R4, R9

    def _is_late(self, index: int) -> bool:
        said = self._said(index)
        return any(one.at > said.at for one in self._messages_before(index, said.patient))

    def _carried_reason(self, index: int, patient: str) -> str | None:
        for at, happening in self._back(index, patient):
            if isinstance(happening, Said):
                return self._reason(at)
            if happening.action == "label" and happening.to is not None:
                return happening.to
            if happening.action == "topic":
                return None
        return None

    def _extension(self, index: int) -> Mapping[str, str]:
        said = self._said(index)
        return next((one for one in self._settings(index)["extensions"] if one["digits"] == said.extension), {})

    # The reason menu.

    def _offers_menu(self, index: int) -> bool:
        return self._remembered("menu", index, self._find_whether_menu_is_offered)

    def _find_whether_menu_is_offered(self, index: int) -> bool:
        said, settings = self._said(index), self._settings(index)
        return (
            settings["sms_reason_menu"]
            and settings["reason_routing"]
            and said.channel == "sms"
            and "sms" in settings["stickiness"]["broken_by"]
            and bool(self._window(index))
            and not self._is_late(index)
            and self._destination(index) == "unassigned"
            and not self._is_menu_open(index)
        )

    def _is_menu_open(self, index: int) -> bool:
        said = self._said(index)
        offers = [
            at for at, one in self._all_back(index, said.patient) if isinstance(one, Said) and self._offers_menu(at)
        ]
        return (
            self._settings(index)["sms_reason_menu"]
            and bool(self._window(index))
            and bool(offers)
            and said.at - self._said(offers[0]).at <= self._window(index)
        )

    def _answers_menu(self, index: int) -> bool:
        return self._said(index).requested is not None and self._is_menu_open(index)

    # Location and provider.

    def _place(self, index: int, kind: str) -> Place:
        return self._remembered(kind, index, lambda at: self._find_place(at, kind))

    def _find_place(self, index: int, kind: str) -> Place:
        said = self._said(index)
        if not self._settings(index)[f"{kind}_routing"]:  # L4
            return Place(None)
        following = [] if self._is_late(index) else self._upcoming(index)
        if following and getattr(following[0], kind) is not None:  # L1, L6
            listed = self._listed(index)
            known = [following[0].as_of, *([listed.as_of] if listed else [])]
            return Place(getattr(following[0], kind), max(known))
        return self._carried_place(index, said.patient, kind)  # L2

    def _carried_place(self, index: int, patient: str, kind: str) -> Place:
        for at, happening in self._back(index, patient):
            if isinstance(happening, Said):
                place = self._place(at, kind)
                if place.id is not None:
                    return place
            elif happening.action == "label" and kind == "location" and happening.place is not None:
                return Place(happening.place)
        return Place(None)

    def _upcoming(self, index: int) -> list[Synced]:
        said = self._said(index)
        known: dict[str, Synced] = {}
        for one in self._history[:index]:
            if isinstance(one, Synced) and one.patient == said.patient:
                have = known.get(one.appointment_id)
                known[one.appointment_id] = one if have is None or have.as_of <= one.as_of else have
        coming = (one for one in known.values() if one.status in ROUTABLE and one.start > said.at)  # L1, L5
        return sorted(coming, key=lambda one: (one.start, one.appointment_id))

    def _is_stale(self, index: int, place: Place) -> bool:
        limit = WINDOWS[self._settings(index)["freshness_limit"]]
        return place.as_of is not None and self._said(index).at - place.as_of > limit  # L9

    def _is_retired(self, index: int, place: Place) -> bool:
        listed = self._listed(index)
        return listed is not None and place.id in listed.retired  # L7

    # Where a conversation is.

    def _destination(self, index: int) -> str:
        return self._remembered("destination", index, self._find_destination)

    def _find_destination(self, index: int) -> str:
        said = self._said(index)
        target = self._extension(index).get("shared_inbox_id") if said.channel == "voicemail" else None
        if target is not None and not self._is_late(index):  # R6, D3
            return f"shared_inbox:{target}"
        if not self._was_open(index):  # D1
            return "unassigned"
        return self._standing(index, self._destination_before(index, said.patient))

    def _standing(self, index: int, destination: str) -> str:
        kind, _, name = destination.partition(":")
        if kind == "member" and not self._is_active(index, name):  # D4
            return "unassigned"
        if kind == "shared_inbox" and name not in self._inboxes(index):
            return "unassigned"
        return destination

    def _destination_before(self, index: int, patient: str) -> str:
        for at, happening in self._back(index, patient, with_late=True):
            if isinstance(happening, Said):
                return self._destination(at)
            match happening.action:
                case "close":
                    return "unassigned"
                case "assign":
                    return f"member:{happening.to}" if happening.to else "unassigned"
                case "move":
                    return happening.to or ""
                case "reroute":
                    return self._standing(at, self._destination_before(at, patient))
        return "unassigned"

    def _was_open(self, index: int) -> bool:
        return self._is_open_before(index, self._said(index).patient)

    def _is_open_before(self, index: int, patient: str) -> bool:
        for _, happening in self._back(index, patient, with_late=True):
            if isinstance(happening, Said) or happening.action in ("assign", "move"):
                return True
            if happening.action == "close":
                return False
        return False

    # Who is told.

    def _audience(
        self, index: int, destination: str, reason: str | None, location: Place, provider: Place
    ) -> tuple[tuple[str, str, str | None], ...]:
        settings = self._settings(index)
        kind, _, name = destination.partition(":")
        if kind == "member":  # D2
            return ((name, "assignee", None),)
        if kind == "shared_inbox":  # D3
            return tuple(
                (one, "inbox_member", None) for one in self._inboxes(index)[name] if self._is_active(index, one)
            )
        labels = {
            "reason": reason or "other",  # R8
            "location": "unknown" if location.id is None or self._is_retired(index, location) else location.id,
            "provider": "unknown" if provider.id is None or self._is_retired(index, provider) else provider.id,
        }
        routed_by = [one for one in labels if settings[f"{one}_routing"]]
        people: list[tuple[str, str, str | None]] = []
        for member in settings["members"]:
            if not member["active"]:  # D4
                continue
            if not routed_by:  # M5
                if member["unassigned"]:
                    people.append((member["staff_id"], "unassigned_subscriber", None))
                continue
            matching = [
                one["id"]
                for one in member["subscriptions"]
                if all(one[f"{by}s"] == "all" or labels[by] in one[f"{by}s"] for by in routed_by)  # M1
            ]
            if matching:  # M2
                people.append((member["staff_id"], "subscription", matching[0]))
        if people:
            return tuple(people)
        defaults = [one for one in settings["default_subscribers"] if self._is_active(index, one)]
        return tuple((one, "default_subscriber", None) for one in defaults)  # M4

    def _is_active(self, index: int, staff_id: str) -> bool:
        return any(one["staff_id"] == staff_id and one["active"] for one in self._settings(index)["members"])

    def _inboxes(self, index: int) -> dict[str, list[str]]:
        return {one["id"]: one["members"] for one in self._settings(index)["shared_inboxes"]}

    # What staff may do.

    def _rejection(self, index: int) -> str | None:
        return self._remembered("rejection", index, self._find_rejection)

    def _find_rejection(self, index: int) -> str | None:
        did, settings = self._did(index), self._settings(index)
        match did.action:
            case "assign":
                return self._assign_rejection(index, did)
            case "move" if did.to != "unassigned" and (did.to or "").partition(":")[2] not in self._inboxes(index):
                return "unknown_inbox"
            case "close" | "reroute" if not self._is_open_before(index, did.patient):
                return "not_open"
            case "label" | "topic" if not settings["label_correction"]:  # V4
                return "not_allowed"
            case "label" if did.to not in (None, "other") and self._known_or_other(index, did.to) == "other":
                return "unknown_reason"
            case "label" if did.place == "moon" or (did.place is not None and self._listed(index) is None):
                return "unknown_location"
            case _:
                return None

    def _assign_rejection(self, index: int, did: Did) -> str | None:
        if did.expected_version is not None and did.expected_version != self._version_before(index, did.patient):
            return "version_conflict"
        if did.to is None:
            return None
        if all(one["staff_id"] != did.to for one in self._settings(index)["members"]):
            return "unknown_member"
        return None if self._is_active(index, did.to) else "inactive_member"

    def _version_before(self, index: int, patient: str) -> int:
        return sum(1 for _ in self._back(index, patient, with_late=True))

    # The history.

    def _said(self, index: int) -> Said:
        said = self._history[index]
        assert isinstance(said, Said)
        return said

    def _did(self, index: int) -> Did:
        did = self._history[index]
        assert isinstance(did, Did)
        return did

    def _settings(self, index: int) -> Mapping[str, Any]:
        before = (one for one in reversed(self._history[: index + 1]) if isinstance(one, Saved))
        return next((one.settings for one in before), NO_SETTINGS)

    def _listed(self, index: int) -> Listed | None:
        return next((one for one in reversed(self._history[: index + 1]) if isinstance(one, Listed)), None)

    def _window(self, index: int) -> timedelta:
        return WINDOWS[self._settings(index)["stickiness"]["window"]]

    def _messages_before(self, index: int, patient: str) -> list[Said]:
        return [one for _, one in self._all_back(index, patient) if isinstance(one, Said)]

    def _all_back(self, index: int, patient: str) -> Iterator[tuple[int, Said | Did]]:
        for at in range(index - 1, -1, -1):
            happening = self._history[at]
            if isinstance(happening, Said | Did) and happening.patient == patient:
                yield at, happening

    def _back(self, index: int, patient: str, *, with_late: bool = False) -> Iterator[tuple[int, Said | Did]]:
        """What changed a patient's conversation before, the newest first: no rejected action, and no late message
        unless it is asked for (a late one opens, and may find its assignee gone; it changes nothing else).
        """
        for at, happening in self._all_back(index, patient):
            if isinstance(happening, Did) and self._rejection(at) is not None:
                continue
            if isinstance(happening, Said) and not with_late and self._is_late(at):
                continue
            yield at, happening
