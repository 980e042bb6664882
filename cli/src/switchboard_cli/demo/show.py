"""What the demo prints."""

from statistics import quantiles

from rich.console import Console
from rich.table import Table

from switchboard_cli.demo import practice
from switchboard_cli.demo.play import Played

_NAMES = {person.staff_id: person.name for person in practice.STAFF}
_REASONS = {reason_id: label["en"] for reason_id, label in practice.REASONS.items()}


def header(console: Console) -> None:
    """The words above the lines."""
    console.print(
        _line("channel", "patient", "reason (from)", "location (from)", "told (because)", "ms", ""), style="bold"
    )


def message(console: Console, played: Played) -> None:
    """One line for one message; below it, what is not as the rules want it."""
    routed, told = played.heard.routed, played.heard.told
    if not routed:
        console.print(
            _line(played.step.channel, played.patient_id, "?", "?", "nobody", "-", played.step.story), style="red"
        )
    else:
        reason, location = routed["reason"], routed["location"]
        people = ", ".join(f"{_NAMES[who]} ({', '.join(why)})" for who, why in sorted(told.items()))
        words = _line(
            played.step.channel,
            played.patient_id[:8],
            f"{_REASONS.get(reason['id'], '-')} ({reason['source']})",
            f"{practice.LOCATIONS.get(location['id'], 'unknown')} ({location['source']})",
            people,
            f"{played.milliseconds:.0f}",
            played.step.story,
        )
        console.print(words, style="red" if played.problems else None)
    for problem in played.problems:
        console.print(f"    not as expected: {problem}", style="red")


def summary(console: Console, played: list[Played]) -> None:
    """How many went right, and how long they took."""
    right = sum(not one.problems for one in played)
    times = sorted(one.milliseconds for one in played if one.heard.told)
    console.print(
        f"{right} of {len(played)} messages were routed as expected.", style="green" if right == len(played) else "red"
    )
    if len(times) > 1:
        cuts = quantiles(times, n=100, method="inclusive")
        console.print(
            f"From webhook to staff stream: p50 {cuts[49]:.0f} ms, p99 {cuts[98]:.0f} ms ({len(times)} messages)."
        )


def addresses(console: Console, rows: dict[str, str]) -> None:
    """Where to look next."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for what, where in rows.items():
        table.add_row(what, where)
    console.print(table, soft_wrap=True)


def _line(  # noqa: PLR0913 - the columns
    channel: str, patient: str, reason: str, location: str, told: str, milliseconds: str, story: str
) -> str:
    return f"{channel:<9} {patient:<8} {reason:<35} {location:<26} {told:<46} {milliseconds:>5}  {story}"
