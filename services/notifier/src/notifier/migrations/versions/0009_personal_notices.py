"""Telling people who are not looking: what they want, where to, and what still has to be told."""

from alembic import op

from shared_database.migrations import isolate_by_practice

revision = "0009"
down_revision = "0008"

_TABLES = {
    "notification_preference": """
        practice_id text NOT NULL,
        staff_id text NOT NULL,
        preferences jsonb NOT NULL,
        PRIMARY KEY (practice_id, staff_id)
    """,
    # Where a browser's push service takes messages for it, and with which keys: sealed.
    "push_subscription": """
        practice_id text NOT NULL,
        staff_id text NOT NULL,
        subscription_id text NOT NULL,
        sealed bytea NOT NULL,
        created_at timestamptz NOT NULL,
        PRIMARY KEY (practice_id, staff_id, subscription_id)
    """,
    # One row for each person, message and channel: nobody is told twice through one channel.
    "personal_notice": """
        practice_id text NOT NULL,
        notification_id text NOT NULL,
        channel text NOT NULL,
        staff_id text NOT NULL,
        urgent boolean NOT NULL,
        made_at timestamptz NOT NULL,
        due_at timestamptz NOT NULL,
        state text NOT NULL DEFAULT 'pending',
        PRIMARY KEY (practice_id, notification_id, channel)
    """,
}


def upgrade() -> None:
    for table, columns in _TABLES.items():
        op.execute(f"CREATE TABLE {table} ({columns})")
        isolate_by_practice(op, table)
    op.execute(
        "CREATE INDEX personal_notice_pending ON personal_notice (practice_id, staff_id, channel, due_at) "
        "WHERE state = 'pending'"
    )
    op.execute("CREATE INDEX personal_notice_time ON personal_notice (practice_id, made_at)")
    # When each person has to be told something, for all practices: ids and times only, so without row-level security.
    op.execute(
        """
        CREATE TABLE notice_lane (
            practice_id text NOT NULL,
            staff_id text NOT NULL,
            channel text NOT NULL,
            due_at timestamptz NOT NULL,
            held_until timestamptz NOT NULL DEFAULT '-infinity',
            failures int NOT NULL DEFAULT 0,
            PRIMARY KEY (practice_id, staff_id, channel)
        )
        """
    )
    op.execute("CREATE INDEX notice_lane_due ON notice_lane (due_at) WHERE due_at < 'infinity'")
    # The key that push services know us by (RFC 8292), sealed; of the installation, not of a practice.
    op.execute(
        "CREATE TABLE push_identity (is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only), sealed bytea NOT NULL)"
    )
