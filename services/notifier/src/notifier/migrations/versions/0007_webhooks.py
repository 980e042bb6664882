"""Webhook endpoints: where a practice's events are sent to, what still has to be, and what became of it."""

from alembic import op

from shared_database.migrations import isolate_by_practice

revision = "0007"
down_revision = "0006"

_TABLES = {
    # `secret` and `earlier_secret` are sealed; the earlier one signs, too, until `earlier_until`.
    "webhook_endpoint": """
        practice_id text NOT NULL,
        endpoint_id text NOT NULL,
        url text NOT NULL,
        events text[] NOT NULL,
        payload text NOT NULL,
        description text NOT NULL,
        secret bytea NOT NULL,
        earlier_secret bytea,
        earlier_until timestamptz,
        created_at timestamptz NOT NULL,
        failing_since timestamptz,
        disabled_at timestamptz,
        disabled_because text,
        PRIMARY KEY (practice_id, endpoint_id)
    """,
    # What may still be sent, or sent again: of practices that have an endpoint. The data is sealed.
    "webhook_event": """
        practice_id text NOT NULL,
        event_id text NOT NULL,
        name text NOT NULL,
        happened_at timestamptz NOT NULL,
        data bytea NOT NULL,
        PRIMARY KEY (practice_id, event_id)
    """,
    "webhook_delivery": """
        practice_id text NOT NULL,
        endpoint_id text NOT NULL,
        event_id text NOT NULL,
        serial bigint GENERATED ALWAYS AS IDENTITY,
        state text NOT NULL DEFAULT 'pending',
        attempts int NOT NULL DEFAULT 0,
        due_at timestamptz NOT NULL,
        attempted_at timestamptz,
        status int,
        error text,
        milliseconds int,
        PRIMARY KEY (practice_id, event_id, endpoint_id)
    """,
}


def upgrade() -> None:
    for table, columns in _TABLES.items():
        op.execute(f"CREATE TABLE {table} ({columns})")
        isolate_by_practice(op, table)
    op.execute("CREATE INDEX webhook_event_time ON webhook_event (practice_id, happened_at)")
    op.execute(
        "CREATE INDEX webhook_due ON webhook_delivery (practice_id, endpoint_id, due_at, serial) WHERE state = 'pending'"
    )
    op.execute("CREATE INDEX webhook_log ON webhook_delivery (practice_id, endpoint_id, serial DESC)")
    # When each endpoint has something to do, for all practices: ids and times only, so without row-level security.
    # Whoever works for an endpoint holds its lane; after failures it is held for a while by nobody.
    op.execute(
        """
        CREATE TABLE webhook_lane (
            practice_id text NOT NULL,
            endpoint_id text NOT NULL,
            due_at timestamptz NOT NULL DEFAULT 'infinity',
            held_until timestamptz NOT NULL DEFAULT '-infinity',
            failures int NOT NULL DEFAULT 0,
            PRIMARY KEY (practice_id, endpoint_id)
        )
        """
    )
    op.execute("CREATE INDEX webhook_lane_due ON webhook_lane (due_at) WHERE due_at < 'infinity'")
