"""Erasing reaches every table that names a patient: a table that somebody adds is found here until it is among them."""

import asyncpg
import pytest

from shared_database.migrations import ServiceSchema, migrate
from switchboard_cli.auditing import tables_of_practices
from switchboard_cli.erasing import ERASED
from switchboard_cli.origin import SCHEMAS

OF_SOMEBODY = ["patient_id", "patient_ids", "conversation_id", "message_id", "contact_id", "phone"]
KEPT = {
    "audit_record": "says who erased whom",
    "erasure": "says who wanted it",
    "text_queue": "nothing is erased while a text waits",
}


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.schema)
async def test_every_table_with_a_patient_in_it_is_erased_or_says_why_not(
    postgres_dsn: str, schema: ServiceSchema
) -> None:
    migrate(postgres_dsn, SCHEMAS)
    connection = await asyncpg.connect(postgres_dsn)
    try:
        named = await connection.fetch(
            "SELECT DISTINCT table_name FROM information_schema.columns WHERE table_schema = $1 AND column_name = ANY ($2)",
            schema.schema, OF_SOMEBODY,
        )  # fmt: skip
        tables = set(await tables_of_practices(connection, schema.schema)) & {row["table_name"] for row in named}
    finally:
        await connection.close()

    assert tables - set(ERASED[schema.schema]) - set(KEPT) == set()
