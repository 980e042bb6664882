"""The checker finds each kind of violation that is planted, names it, and finds nothing in a clean history."""

from copy import deepcopy

import pytest

from tests.faults.checker import check
from tests.faults.history import Entry

STAFF = ("ada", "bo")
AUDIENCES = {f"m{number}": ["ada"] for number in range(1, 5)}


def entry(op: str, process: str, type_: str = "ok", practice: str = "p", **fields: object) -> Entry:
    return {"type": type_, "op": op, "process": process, "practice": practice, **fields}


def clean() -> list[Entry]:
    """Four messages of two patients, one action, two clients; one record was sent twice."""
    history = [entry("listen", f"{staff}-1", staff=staff, position=10) for staff in STAFF]
    for number in range(1, 5):
        sent = {"id": f"m{number}", "patient": f"pt{number % 2}"}
        history += [entry("send", "s", "invoke", **sent), entry("send", "s", **sent)]
    history += [entry("act", "ada", "invoke", id="c1"), entry("act", "ada", id="c1")]
    routed = [routed_message(number, number) for number in range(1, 5)]
    changed = entry("routed", "log", event="change", id="c1", position=5, conversation="v1", version=3)
    history += [*routed, {**routed[2], "position": 6}, {**changed, "digest": "c1", "audience": []}]
    for number in range(1, 5):
        history += announced(8 + 2 * number, f"m{number}")
    history += [{**one, "position": one["position"] + 100} for one in announced(10, "m1")]
    history.append(entry("announced", "log", event="conversation", id="c1", position=18, seen_by=["ada"]))
    for number in range(1, 5):
        history.append(entry("decided", "table", id=f"m{number}"))
        history.append(entry("thread", "ada", id=f"m{number}"))
        history.append(entry("notified", "table", id=f"m{number}", staff="ada"))
        history += [saw(staff, "message", f"m{number}", 8 + 2 * number) for staff in STAFF]
        history.append(saw("ada", "notification", f"m{number}", 9 + 2 * number))
    history.append(saw("ada", "conversation", "c1", 18))
    return history


def routed_message(number: int, position: int) -> Entry:
    versions = {"conversation": f"v{number % 2}", "version": (number + 1) // 2}
    about = {"event": "message", "id": f"m{number}", "position": position, "digest": f"m{number}"}
    return entry("routed", "log", **about, **versions, audience=["ada"])


def announced(position: int, id_: str) -> list[Entry]:
    return [
        entry("announced", "log", event="message", id=id_, position=position, seen_by=["ada", "bo"]),
        entry("announced", "log", event="notification", id=id_, position=position + 1, seen_by=["ada"]),
    ]


def saw(staff: str, event: str, id_: str, position: int, of: str = "p") -> Entry:
    return entry("see", f"{staff}-1", staff=staff, event=event, id=id_, position=position, of=of)


def without(history: list[Entry], **fields: object) -> list[Entry]:
    return [one for one in history if any(one.get(name) != value for name, value in fields.items())]


def moved(history: list[Entry], places: dict[str, int]) -> list[Entry]:
    """The router's log with other positions, in their order."""
    routed = [one for one in history if one["op"] == "routed"]
    for one in routed:
        one["position"] = places.get(one["id"], one["position"])
    others = [one for one in history if one["op"] != "routed"]
    return others + sorted(routed, key=lambda one: int(one["position"]))


def kinds(history: list[Entry]) -> set[str]:
    return {violation.kind for violation in check(history, AUDIENCES)}


def test_a_clean_history_with_repeated_records_has_no_violation() -> None:
    assert check(clean(), AUDIENCES) == []


def test_what_was_never_accepted_may_be_missing() -> None:
    sent = {"id": "m9", "patient": "pt0"}
    history = [*clean(), entry("send", "s", "invoke", **sent), entry("send", "s", "info", **sent)]
    assert check(history, AUDIENCES) == []


@pytest.mark.parametrize(("log", "where"), [("announced", "on no stream"), ("thread", "in no thread")])
def test_an_accepted_message_that_is_nowhere_is_lost(log: str, where: str) -> None:
    found = check(without(clean(), op=log, id="m2"), AUDIENCES)
    assert [(one.kind, one.about, one.detail) for one in found] == [("lost-message", "m2", f"accepted, and {where}")]


def test_an_accepted_action_without_an_outcome_is_lost() -> None:
    (found,) = check([*clean(), entry("act", "bo", id="c9")], AUDIENCES)
    assert (found.kind, found.about) == ("lost-message", "c9")


@pytest.mark.parametrize("seen_by", [[], ["bo"]], ids=["announced for nobody", "hidden since"])
def test_a_message_that_nobody_may_see_any_more_is_not_lost(seen_by: list[str]) -> None:
    """Everybody who could see it was deactivated: between the decision and its announcement, or after that."""
    sent = [entry("send", "s", id="m9", patient="pt0"), entry("decided", "table", id="m9")]
    sent.append(entry("announced", "log", event="message", id="m9", position=30, seen_by=seen_by, settings=7))
    sent.append(entry("thread", "ada", id="m9"))
    assert check([entry("save", "ada", "invoke", version=8), *clean(), *sent], AUDIENCES) == []


def test_an_acknowledged_appointment_that_is_not_in_its_topic_is_lost() -> None:
    synced = [entry("sync", "pm", id=f"a{number}") for number in (1, 2)]
    (found,) = check([*clean(), *synced, entry("synced", "log", id="a1")], AUDIENCES)
    assert (found.kind, found.about) == ("lost-message", "a2")


def test_somebody_of_the_audience_who_is_not_notified_has_lost_the_message() -> None:
    (found,) = check(without(clean(), op="notified", id="m2"), AUDIENCES)
    assert (found.kind, found.about) == ("lost-message", "m2")


def test_a_version_of_a_conversation_that_nobody_was_told_of_is_lost() -> None:
    history = clean()
    for one in history:
        if one["op"] == "routed" and one["id"] == "c1":
            one["version"] = 4
    (found,) = check(history, AUDIENCES)
    assert (found.kind, found.about, found.detail) == ("lost-message", "v1", "version 3 of it was never told")


@pytest.mark.parametrize(("saved", "found"), [(7, {"gap"}), (8, set())])
def test_only_settings_that_were_saved_since_may_hide_what_was_announced(saved: int, found: set[str]) -> None:
    history = [entry("save", "ada", "invoke", version=saved), *without(clean(), op="see", staff="bo", id="m2")]
    for one in history:
        if one["op"] == "announced":
            one["settings"] = 7
    assert kinds(history) == found


def test_a_decision_by_settings_older_than_those_saved_before_has_the_wrong_audience() -> None:
    history = [entry("save", "ada", version=7), *clean()]
    for one in history:
        if one["op"] == "routed":
            one["settings"] = 6 if one["id"] == "m2" else 7
    (found,) = check(history, AUDIENCES)
    assert (found.kind, found.about) == ("wrong-audience", "m2")


@pytest.mark.parametrize(
    "planted",
    [
        entry("decided", "table", id="m1"),
        entry("notified", "table", id="m1", staff="ada"),
        saw("ada", "notification", "m1", 111),
    ],
    ids=lambda planted: planted["op"],
)
def test_a_second_decision_notification_or_stream_event_is_a_duplicate_effect(planted: Entry) -> None:
    assert "duplicate-effect" in kinds([*clean(), planted])


def test_the_same_cursor_again_is_no_duplicate_because_clients_drop_it() -> None:
    assert check([*clean(), saw("ada", "message", "m1", 10)], AUDIENCES) == []


def test_a_patients_later_message_before_the_earlier_one_is_out_of_order() -> None:
    found = check(moved(clean(), {"m1": 3, "m3": 1}), AUDIENCES)
    assert ("order", "m3") in {(one.kind, one.about) for one in found}


def test_messages_that_were_sent_at_the_same_time_may_have_any_order() -> None:
    history = clean()
    sends = [one for one in history if one["op"] == "send"]
    others = [one for one in history if one["op"] != "send"]
    together = [*(one for one in sends if one["type"] == "invoke"), *(one for one in sends if one["type"] == "ok")]
    swapped = moved([*together, *others], {"m1": 3, "m3": 1})
    for one in swapped:
        if one["op"] == "routed" and one["id"] in {"m1", "m3"}:
            one["version"] = {"m1": 2, "m3": 1}[one["id"]]
    assert check(swapped, AUDIENCES) == []


def test_a_conversation_whose_version_goes_back_is_out_of_order() -> None:
    history = clean()
    for one in history:
        if one["op"] == "routed" and one["id"] == "c1":
            one["version"] = 0
    assert kinds(history) == {"order"}


def test_a_client_that_sees_the_history_in_another_order_is_named() -> None:
    history = clean()
    first, second = (
        index
        for index, one in enumerate(history)
        if (one["op"], one["process"]) == ("see", "bo-1") and one["id"] in {"m1", "m2"}
    )
    history[first], history[second] = history[second], history[first]
    (found,) = check(history, AUDIENCES)
    assert (found.kind, found.about) == ("order", "m1")


def test_a_hole_in_a_stream_is_a_gap() -> None:
    (found,) = check(without(clean(), op="see", process="bo-1", id="m2"), AUDIENCES)
    assert (found.kind, found.about) == ("gap", "m2")


def test_a_hole_that_a_reset_announces_is_none() -> None:
    history = without(clean(), op="see", process="bo-1", id="m2")
    assert check([*history, entry("reset", "bo-1", position=13)], AUDIENCES) == []


def test_the_last_event_that_never_came_is_unseen() -> None:
    (found,) = check(without(clean(), op="see", process="bo-1", id="m4"), AUDIENCES)
    assert (found.kind, found.about) == ("unseen", "m4")


def test_a_decision_that_is_not_the_oracles_has_the_wrong_audience() -> None:
    found = check(clean(), AUDIENCES | {"m2": ["bo"]})
    assert [(one.kind, one.about) for one in found] == [("wrong-audience", "m2")]


def test_an_event_that_somebody_else_sees_has_the_wrong_audience() -> None:
    (found,) = check([*clean(), saw("bo", "conversation", "c1", 18)], AUDIENCES)
    assert (found.kind, found.about) == ("wrong-audience", "c1")


def test_another_practices_event_on_a_stream_is_named() -> None:
    assert "cross-practice" in kinds([*clean(), saw("ada", "message", "x1", 30, of="q")])


def test_another_practices_message_under_our_name_is_named_too() -> None:
    other = entry("send", "s", "info", practice="q", id="x1", patient="pt0")
    assert "cross-practice" in kinds([*clean(), other, saw("ada", "message", "x1", 30)])


def test_two_decisions_for_one_version_of_a_conversation_are_a_zombies_write() -> None:
    history = clean()
    for one in history:
        if one["op"] == "routed" and one["id"] == "c1":
            one["version"] = 2
    assert kinds(history) == {"zombie-write"}


def test_a_record_that_is_repeated_with_other_bytes_is_a_zombies_write() -> None:
    planted = deepcopy(routed_message(1, 9)) | {"digest": "other"}
    assert kinds([*clean(), planted]) == {"zombie-write"}


def test_a_decision_that_was_sent_and_not_stored_is_a_zombies_write() -> None:
    assert kinds(without(clean(), op="decided", id="m2")) == {"zombie-write"}
