"""What can happen at a practice, in the order in which it happens; and random histories of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

NINE = datetime(2026, 11, 23, 9, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

STAFF = ("ada", "bo", "cy", "di", "eve")
REASONS = ("billing", "refills", "fax")
LOCATIONS = ("elm", "river")
PROVIDERS = ("dr-ash", "dr-birch")
INBOXES = ("nurses", "night")
BROKEN_BY = (["sms", "voicemail"], ["sms", "voicemail"], ["voicemail"], [], ["web", "sms"])
STATUSES = ("booked", "booked", "arrived", "proposed", "cancelled", "noshow", "fulfilled")


@dataclass(frozen=True)
class Saved:
    """An administrator saved routing settings, in the wire's form."""

    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Listed:
    """The PM system listed its locations and providers; the retired ones among them are named."""

    retired: frozenset[str]
    as_of: datetime


@dataclass(frozen=True)
class Synced:
    """The PM system told of an appointment."""

    patient: str
    appointment_id: str
    status: str
    start: datetime
    location: str | None
    provider: str | None
    as_of: datetime


@dataclass(frozen=True)
class Said:
    """A patient wrote or called."""

    patient: str
    message_id: str
    channel: str
    at: datetime
    requested: str | None = None
    extension: str | None = None


@dataclass(frozen=True)
class Did:
    """Somebody did something to a patient's conversation. `to` is who or where or what, as the action needs it."""

    patient: str
    change_id: str
    action: str
    to: str | None = None
    place: str | None = None
    expected_version: int | None = None


Happening = Saved | Listed | Synced | Said | Did


class Practice:
    """Makes one thing after another happen, as `random` wants it."""

    def __init__(self, random: Random, patients: int = 3) -> None:
        self._random = random
        self._patients = [f"pt-{number}" for number in range(patients)]
        self._now = dict.fromkeys(self._patients, NINE)
        self._count = 0

    def happenings(self, count: int) -> list[Happening]:
        """So many of them, mostly messages."""
        kinds = (
            self._said,
            self._said,
            self._said,
            self._said,
            self._did,
            self._did,
            self._synced,
            self._saved,
            self._listed,
        )
        return [self._saved(), self._listed(), *(self._random.choice(kinds)() for _ in range(count))]

    def many(self, kind: str, count: int) -> list[Happening]:
        """So many of one kind."""
        make = {
            "said": self._said,
            "did": self._did,
            "synced": self._synced,
            "saved": self._saved,
            "listed": self._listed,
        }
        return [make[kind]() for _ in range(count)]

    def _next(self) -> int:
        self._count += 1
        return self._count

    def _some(self, of: tuple[str, ...]) -> list[str]:
        return [one for one in of if self._random.random() < 0.6]

    def _maybe(self, of: tuple[str, ...], chance: float = 0.5) -> str | None:
        return self._random.choice(of) if self._random.random() < chance else None

    def _said(self) -> Said:
        patient = self._random.choice(self._patients)
        gap = self._random.choice(
            [
                timedelta(minutes=self._random.randrange(1, 50)),
                timedelta(hours=1),
                timedelta(hours=1) + MICROSECOND,
                timedelta(0),
                timedelta(hours=self._random.randrange(2, 40)),
                -timedelta(minutes=self._random.randrange(1, 200)),
            ]
        )
        at = self._now[patient] + gap
        self._now[patient] = max(at, self._now[patient])
        channel = self._random.choice(("sms", "web", "web", "voicemail"))
        return Said(
            patient,
            f"m{self._next():06}",
            channel,
            at,
            self._maybe((*REASONS, "other", "unheard-of"), 0.6) if channel != "voicemail" else None,
            self._maybe(("1", "2", "3", "9"), 0.8) if channel == "voicemail" else None,
        )

    def _did(self) -> Did:
        action = self._random.choice(
            ("assign", "assign", "move", "close", "reply", "read", "label", "topic", "reroute")
        )
        to = {
            "assign": self._maybe((*STAFF, "nobody"), 0.85),
            "move": self._random.choice(
                ("unassigned", "shared_inbox:nurses", "shared_inbox:night", "shared_inbox:gone")
            ),
            "label": self._maybe((*REASONS, "other"), 0.7),
        }.get(action)
        place = self._maybe((*LOCATIONS, "moon"), 0.4) if action == "label" else None
        expected = self._random.randrange(4) if action == "assign" and self._random.random() < 0.3 else None
        return Did(self._random.choice(self._patients), f"c{self._next():06}", action, to, place, expected)

    def _synced(self) -> Synced:
        patient = self._random.choice(self._patients)
        number = self._random.randrange(4)
        return Synced(
            patient,
            f"apt-{patient}-{number}",
            self._random.choice(STATUSES),
            # Two at one instant, one that starts as a message comes, some far away.
            self._now[patient] + timedelta(hours=self._random.choice((-5, 0, 1, 1, 24, 300))),
            self._maybe(LOCATIONS, 0.8),
            self._maybe(PROVIDERS, 0.8),
            NINE + timedelta(hours=self._random.randrange(-40, 40)),
        )

    def _listed(self) -> Listed:
        retired = frozenset(one for one in (*LOCATIONS, *PROVIDERS) if self._random.random() < 0.15)
        return Listed(retired, NINE + timedelta(hours=self._next(), minutes=-60 * 40))

    def _saved(self) -> Saved:
        random = self._random
        reasons: list[str] = self._some(REASONS)
        return Saved(
            {
                "reason_routing": random.random() < 0.8,
                "location_routing": random.random() < 0.7,
                "provider_routing": random.random() < 0.3,
                "stickiness": {
                    "window": random.choice(("PT1H", "PT1H", "PT1H", "PT0S", "PT4H")),
                    "broken_by": random.choice(
                        (["sms", "voicemail"], ["sms", "voicemail"], ["voicemail"], [], ["web", "sms"])
                    ),
                },
                "reasons": [{"id": one, "label": {"en": one}, "retired": random.random() < 0.2} for one in reasons],
                "extensions": [
                    *({"digits": "1", "reason_id": one} for one in reasons[:1]),
                    {"digits": "2", "reason_id": "other"},
                    {"digits": "3", "shared_inbox_id": "nurses"},
                ],
                "shared_inboxes": [
                    {"id": one, "label": one, "members": self._some(STAFF)}
                    for one in ("nurses", *self._some(INBOXES[1:]))
                ],
                "members": [self._member(one, reasons) for one in STAFF],
                "default_subscribers": self._some(STAFF[:2]),
                "freshness_limit": random.choice(("PT24H", "PT1H")),
                "sms_reason_menu": random.random() < 0.5,
                "label_correction": random.random() < 0.7,
            }
        )

    def _member(self, staff_id: str, reasons: list[str]) -> dict[str, Any]:
        return {
            "staff_id": staff_id,
            "name": f"{staff_id} Madeup",
            "active": self._random.random() < 0.8,
            "unassigned": self._random.random() < 0.4,
            "subscriptions": [
                {
                    "id": f"{staff_id}-{number}",
                    "reasons": self._all_or([*reasons, "other"]),
                    "locations": self._all_or([*LOCATIONS, "unknown"]),
                    "providers": self._all_or([*PROVIDERS, "unknown"]),
                }
                for number in range(self._random.randrange(3))
            ],
        }

    def _all_or(self, ids: list[str]) -> str | list[str]:
        return "all" if self._random.random() < 0.4 else [one for one in ids if self._random.random() < 0.5]
