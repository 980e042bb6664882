"""Channels, patients' addresses, the messenger's logins, and what the picker needs to know."""

from alembic import op

from shared_database.engine_tables import create_engine_tables
from shared_database.migrations import isolate_by_practice

revision = "0001"
down_revision = None

_TABLES = {
    "profile": """
        practice_id text PRIMARY KEY,
        slug text NOT NULL,
        name text NOT NULL,
        country text NOT NULL
    """,
    "channel": """
        practice_id text NOT NULL,
        channel_id text NOT NULL,
        kind text NOT NULL,
        configuration jsonb NOT NULL,
        PRIMARY KEY (practice_id, channel_id)
    """,
    "patient": """
        practice_id text NOT NULL,
        patient_id text NOT NULL,
        birth_date date,
        phones text[] NOT NULL,
        is_active boolean NOT NULL,
        as_of timestamptz NOT NULL,
        PRIMARY KEY (practice_id, patient_id)
    """,
    "voice_call": """
        practice_id text NOT NULL,
        call_id text NOT NULL,
        phone text NOT NULL,
        extension text,
        began_at timestamptz NOT NULL,
        PRIMARY KEY (practice_id, call_id)
    """,
    "login": """
        practice_id text NOT NULL,
        login_id text NOT NULL,
        phone text NOT NULL,
        code_digest bytea NOT NULL,
        attempts int NOT NULL DEFAULT 0,
        is_code_verified boolean NOT NULL DEFAULT false,
        began_at timestamptz NOT NULL,
        PRIMARY KEY (practice_id, login_id)
    """,
    "session": """
        practice_id text NOT NULL,
        digest text NOT NULL,
        patient_id text NOT NULL,
        csrf_token text NOT NULL,
        ends_at timestamptz NOT NULL,
        PRIMARY KEY (practice_id, digest)
    """,
    "settings": """
        practice_id text PRIMARY KEY,
        version int NOT NULL,
        body jsonb NOT NULL
    """,
    "conversation": """
        practice_id text NOT NULL,
        patient_id text NOT NULL,
        version int NOT NULL,
        is_open boolean NOT NULL,
        reason_id text,
        last_message_at timestamptz,
        unread_practice_message_id text,
        PRIMARY KEY (practice_id, patient_id)
    """,
    "thread_message": """
        practice_id text NOT NULL,
        patient_id text NOT NULL,
        message_id text NOT NULL,
        sender text NOT NULL,
        body text NOT NULL,
        sent_at timestamptz NOT NULL,
        PRIMARY KEY (practice_id, message_id)
    """,
}


def upgrade() -> None:
    """Create the tables, and let every practice see its own rows only."""
    create_engine_tables(op)
    for table, columns in _TABLES.items():
        op.execute(f"CREATE TABLE {table} ({columns})")
        isolate_by_practice(op, table)
    # Which practice a channel, a slug, a token or a session is of: asked before the practice is known, so without
    # row-level security. It holds public ids and digests of secrets, nothing about anybody.
    op.execute("CREATE TABLE practice_of (kind text, key text, practice_id text NOT NULL, PRIMARY KEY (kind, key))")
    op.execute("CREATE INDEX patient_by_phone ON patient USING gin (phones)")
    op.execute("CREATE INDEX thread ON thread_message (practice_id, patient_id, sent_at)")
    op.execute("CREATE INDEX login_by_phone ON login (practice_id, phone, began_at)")
