"""Holds a history against the promises of docs/architecture.md, and names what breaks them. Pure: no system is needed.

A log may hold a record twice (a batch that is sent again after a crash); what counts is where it is first.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tests.faults.history import Entry, of

Audiences = Mapping[str, Sequence[str]]
"""By message id: the staff ids whom the rules name."""


@dataclass(frozen=True, slots=True, order=True)
class Violation:
    """A promise that was broken."""

    kind: str
    practice: str
    about: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.about} of {self.practice}: {self.detail}"


def check(history: Sequence[Entry], audiences: Audiences) -> list[Violation]:
    """Every violation, each once, sorted."""
    found: set[Violation] = set(wrong_audience(history, audiences))
    for find in CHECKS.values():
        found.update(find(history))
    return sorted(found)


def lost_message(history: Sequence[Entry]) -> Iterator[Violation]:
    """What was accepted is announced, told to its audience, and in its thread; an action has its outcome; no event is gone.

    Whether everybody whom it was announced for has seen it is for `gap` and `unseen`: nobody has to, if newer settings
    hide it from all of them, or a reset told them to read the threads.
    """
    for log, what in (("announced", "on no stream"), ("thread", "in no thread")):
        there = {entry["id"] for entry in of(history, log) if entry.get("event", "message") == "message"}
        for entry in _first_ok(history, "send").values():
            if entry["id"] not in there:
                yield Violation("lost-message", entry["practice"], entry["id"], f"accepted, and {what}")
    for op, log, what in (
        ("act", "routed", "an action was accepted and has no outcome"),
        ("sync", "synced", "an appointment was acknowledged and is not in its topic"),
    ):
        there = {entry["id"] for entry in of(history, log)}
        for entry in _first_ok(history, op).values():
            if entry["id"] not in there:
                yield Violation("lost-message", entry["practice"], entry["id"], what)
    yield from _untold(history)
    yield from _missing_versions(history)


def duplicate_effect(history: Sequence[Entry]) -> Iterator[Violation]:
    """One decision for a message, one notification for a person, one stream event for a client."""
    decisions = Counter((entry["practice"], entry["id"]) for entry in of(history, "decided"))
    for (practice, id_), count in decisions.items():
        if count > 1:
            yield Violation("duplicate-effect", practice, id_, f"{count} decisions")
    told = Counter((entry["practice"], entry["id"], entry["staff"]) for entry in of(history, "notified"))
    for (practice, id_, staff), count in told.items():
        if count > 1:
            yield Violation("duplicate-effect", practice, id_, f"{staff} was notified {count} times")
    places: dict[tuple[str, str, str, str], set[int]] = defaultdict(set)
    for entry in of(history, "see"):
        # The same position twice is what clients drop: they know its cursor.
        places[entry["practice"], entry["process"], entry["event"], entry["id"]].add(entry["position"])
    for (practice, client, event, id_), positions in places.items():
        if len(positions) > 1:
            where = ", ".join(map(str, sorted(positions)))
            yield Violation("duplicate-effect", practice, id_, f"{client} saw the {event} at {where}")


def order(history: Sequence[Entry]) -> Iterator[Violation]:
    """A patient's messages are in the order in which they were accepted; everybody has the same history."""
    yield from _order_of_patients(history)
    for conversation, events in _by(_first_places(history, "routed"), "conversation").items():
        changes = [entry for entry in events if entry["event"] != "rejection"]
        for before, after in pairwise(changes):
            if after["version"] < before["version"]:
                detail = f"version {after['version']} of {conversation} comes after {before['version']}"
                yield Violation("order", after["practice"], after["id"], detail)
    places = _places(history)
    for client, seen in _by(of(history, "see"), "process").items():
        newest, about = -1, ""
        for entry in seen:
            place = places.get(_name(entry), newest)
            if place < newest and not _is_repetition(entry, seen):
                yield Violation("order", entry["practice"], entry["id"], f"{client} saw it after {about}")
            if place > newest:
                newest, about = place, entry["id"]


def gap(history: Sequence[Entry]) -> Iterator[Violation]:
    """A stream goes on without a hole, or says `reset`."""
    for entry, client, was_passed in _missing(history):
        if was_passed:
            detail = f"{client} saw what came after this {entry['event']}, and not it"
            yield Violation("gap", entry["practice"], entry["id"], detail)


def unseen(history: Sequence[Entry]) -> Iterator[Violation]:
    """In the end everybody has seen what is theirs to see."""
    for entry, client, was_passed in _missing(history):
        if not was_passed:
            yield Violation("unseen", entry["practice"], entry["id"], f"{client} never saw this {entry['event']}")


def wrong_audience(history: Sequence[Entry], audiences: Audiences) -> Iterator[Violation]:
    """Told are those whom the rules name by settings not older than those saved before; nobody sees what is not theirs."""
    for entry in _first_places(history, "routed"):
        if entry["id"] in audiences:
            expected, found = list(audiences[entry["id"]]), entry["audience"]
            if found != expected:
                yield Violation("wrong-audience", entry["practice"], entry["id"], f"{found} instead of {expected}")
    yield from _old_settings(history)
    visible = {_name(entry): entry["seen_by"] for entry in of(history, "announced")}
    for entry in of(history, "see"):
        seen_by = visible.get(_name(entry))
        if seen_by is not None and entry["staff"] not in seen_by:
            detail = f"{entry['staff']} saw the {entry['event']}"
            yield Violation("wrong-audience", entry["practice"], entry["id"], detail)


def cross_practice(history: Sequence[Entry]) -> Iterator[Violation]:
    """A practice's people see nothing of another practice."""
    owners = {entry["id"]: entry["practice"] for op in ("send", "act") for entry in of(history, op)}
    for entry in of(history, "see"):
        for owner in {entry["of"], owners.get(entry["id"], entry["practice"])} - {entry["practice"]}:
            detail = f"{entry['process']} saw the {entry['event']}, which is {owner}'s"
            yield Violation("cross-practice", entry["practice"], entry["id"], detail)


def zombie_write(history: Sequence[Entry]) -> Iterator[Violation]:
    """One authority for each conversation: nobody who has lost a partition decides about it, or sends other bytes."""
    routed, decided = of(history, "routed"), {entry["id"] for entry in of(history, "decided")}
    bytes_of: dict[tuple[str, str], set[str]] = defaultdict(set)
    versions: dict[tuple[str, int], set[str]] = defaultdict(set)
    practice_of: dict[str, str] = {}
    for entry in routed:
        practice_of[entry["id"]] = entry["practice"]
        bytes_of[entry["event"], entry["id"]].add(entry["digest"])
        if entry["event"] != "rejection":
            versions[entry["conversation"], entry["version"]].add(entry["id"])
        if entry["event"] == "message" and entry["id"] not in decided:
            yield Violation("zombie-write", entry["practice"], entry["id"], "was sent, and its decision is not stored")
    for (event, id_), digests in bytes_of.items():
        if len(digests) > 1:
            yield Violation("zombie-write", practice_of[id_], id_, f"{len(digests)} different records of this {event}")
    for (conversation, version), ids in versions.items():
        if len(ids) > 1:
            first, *others = sorted(ids)
            detail = f"has version {version} of {conversation}, as {', '.join(others)} has"
            yield Violation("zombie-write", practice_of[first], first, detail)


CHECKS: Mapping[str, Callable[[Sequence[Entry]], Iterator[Violation]]] = {
    "lost-message": lost_message,
    "duplicate-effect": duplicate_effect,
    "order": order,
    "gap": gap,
    "unseen": unseen,
    "cross-practice": cross_practice,
    "zombie-write": zombie_write,
}


def _untold(history: Sequence[Entry]) -> Iterator[Violation]:
    told: dict[str, set[str]] = defaultdict(set)
    for entry in of(history, "notified"):
        told[entry["id"]].add(entry["staff"])
    for entry in _first_places(history, "routed"):
        missing = set(entry["audience"]) - told[entry["id"]]
        if entry["event"] == "message" and missing:
            yield Violation("lost-message", entry["practice"], entry["id"], f"{sorted(missing)} were not notified")


def _missing_versions(history: Sequence[Entry]) -> Iterator[Violation]:
    """Whatever is applied to a conversation makes its next version: a hole is an event that was never sent."""
    conversations = _by([entry for entry in of(history, "routed") if entry["event"] != "rejection"], "conversation")
    for conversation, events in conversations.items():
        have = {entry["version"] for entry in events}
        for version in sorted(set(range(1, max(have))) - have):
            practice = events[0]["practice"]
            yield Violation("lost-message", practice, conversation, f"version {version} of it was never told")


def _old_settings(history: Sequence[Entry]) -> Iterator[Violation]:
    """A saved change holds for whatever is sent from then on."""
    current: dict[str, int] = defaultdict(int)
    at_least: dict[str, int] = {}
    for entry in history:
        if entry["op"] == "save" and entry["type"] == "ok":
            current[entry["practice"]] = max(current[entry["practice"]], entry["version"])
        elif entry["op"] in {"send", "act"} and entry["type"] == "invoke":
            at_least.setdefault(entry["id"], current[entry["practice"]])
    for entry in _first_places(history, "routed"):
        if "settings" in entry and entry["settings"] < at_least.get(entry["id"], 0):
            detail = f"decided by version {entry['settings']}, and {at_least[entry['id']]} was saved before it was sent"
            yield Violation("wrong-audience", entry["practice"], entry["id"], detail)


def _order_of_patients(history: Sequence[Entry]) -> Iterator[Violation]:
    places = {
        entry["id"]: entry["position"] for entry in reversed(of(history, "routed")) if entry["event"] == "message"
    }
    began: dict[str, int] = {}
    by_patient: dict[tuple[str, str], list[tuple[int, Entry]]] = defaultdict(list)
    accepted: set[str] = set()
    for index, entry in enumerate(history):
        if entry["op"] != "send":
            continue
        if entry["type"] == "invoke":
            began.setdefault(entry["id"], index)
        elif entry["type"] == "ok" and entry["id"] in places and entry["id"] not in accepted:
            accepted.add(entry["id"])
            by_patient[entry["practice"], entry["patient"]].append((index, entry))
    for ended in by_patient.values():
        waiting = sorted(ended, key=lambda one: began.get(one[1]["id"], one[0]))
        done = 0
        newest, about = -1, ""
        for _, entry in waiting:
            while ended[done][0] < began.get(entry["id"], 0):
                before = ended[done][1]["id"]
                if places[before] > newest:
                    newest, about = places[before], before
                done += 1
            if places[entry["id"]] < newest:
                detail = f"is before {about}, which was accepted before it was sent"
                yield Violation("order", entry["practice"], entry["id"], detail)


def _missing(history: Sequence[Entry]) -> Iterator[tuple[Entry, str, bool]]:
    """What clients should have seen and did not: the event, the client, and whether it saw something later."""
    announced = _by(_first_places(history, "announced"), "practice")
    seen = _by(of(history, "see"), "process")
    resets = _by(of(history, "reset"), "process")
    began = {id(entry): index for index, entry in enumerate(history)}
    saves = _by(of(history, "save", "invoke"), "practice")

    def may_be_hidden(event: Entry, client: str) -> bool:
        """By settings that were saved since it was announced: people who left an inbox see nothing more of it."""
        later = (began[id(one)] for one in seen.get(client, []) if one["position"] > event["position"])
        passed = min(later, default=len(history))
        newer = (
            one for one in saves.get(event["practice"], []) if one["version"] > event.get("settings", one["version"])
        )
        return any(began[id(one)] < passed for one in newer)

    for listening in of(history, "listen"):
        client = listening["process"]
        names = {_name(entry) for entry in seen.get(client, [])}
        newest = max((entry["position"] for entry in seen.get(client, [])), default=-1)
        # After a reset the client reads the snapshot: what came before it is in there.
        start = max([listening["position"], *(entry["position"] for entry in resets.get(client, []))])
        for entry in announced.get(listening["practice"], []):
            is_theirs = entry["seen_by"] is None or listening["staff"] in entry["seen_by"]
            is_missing = is_theirs and entry["position"] >= start and _name(entry) not in names
            if is_missing and not may_be_hidden(entry, client):
                yield entry, client, entry["position"] < newest


def _first_ok(history: Sequence[Entry], op: str) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for entry in of(history, op, "ok"):
        found.setdefault(entry["id"], entry)
    return found


def _first_places(history: Sequence[Entry], op: str) -> list[Entry]:
    """A log without its repetitions."""
    found: dict[tuple[str, str, str], Entry] = {}
    for entry in of(history, op):
        found.setdefault(_name(entry), entry)
    return list(found.values())


def _places(history: Sequence[Entry]) -> dict[tuple[str, str, str], int]:
    return {_name(entry): entry["position"] for entry in _first_places(history, "announced")}


def _name(entry: Entry) -> tuple[str, str, str]:
    return entry["practice"], entry["event"], entry["id"]


def _is_repetition(entry: Entry, seen: Sequence[Entry]) -> bool:
    """Whether the client had this very cursor before: it drops it."""
    before = next(one for one in seen if one["position"] == entry["position"])
    return before is not entry


def _by(entries: Sequence[Entry], field: str) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        found[entry[field]].append(entry)
    return found
