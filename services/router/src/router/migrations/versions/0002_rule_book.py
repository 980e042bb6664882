"""Decisions and changes by week, so that old ones go by dropping a table; what a change did; the reason menu.

`keep_partitions` is what the service calls to have the weeks to come and to let the old ones go: it has no right to
create or drop anything itself. A record outside all weeks (a message from the far past or future) goes to the default
partition.
"""

from alembic import op

from shared_database.migrations import isolate_by_practice
from shared_database.pools import SCOPE

revision = "0002"
down_revision = "0001"

ROLE = "switchboard_router"

_VISIBLE = f"practice_id = ANY ((SELECT string_to_array(current_setting(''{SCOPE}'', true), '',''))::text[])"

_ADD_WEEK = f"""
CREATE FUNCTION add_week(parent text, week date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    part text := parent || '_' || to_char(week, 'YYYYMMDD');
BEGIN
    IF to_regclass('router.' || part) IS NOT NULL THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE router.%I PARTITION OF router.%I FOR VALUES FROM (%L) TO (%L)', part, parent,
        week::timestamp AT TIME ZONE 'UTC', (week + 7)::timestamp AT TIME ZONE 'UTC');
    EXECUTE format('ALTER TABLE router.%I ENABLE ROW LEVEL SECURITY', part);
    EXECUTE format('ALTER TABLE router.%I FORCE ROW LEVEL SECURITY', part);
    EXECUTE format('CREATE POLICY practice_isolation ON router.%I USING ({_VISIBLE})', part);
    -- It is reached through its parent only.
    EXECUTE format('REVOKE ALL ON router.%I FROM {ROLE}', part);
EXCEPTION WHEN check_violation THEN
    -- The default partition has records of this week: they stay together there.
    RETURN;
END $$
"""

_KEEP_PARTITIONS = """
CREATE FUNCTION keep_partitions(keep interval) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = router, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    parent text;
    week date;
    part text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('router.keep_partitions'));
    FOREACH parent IN ARRAY ARRAY['decision', 'applied_change'] LOOP
        FOR ahead IN 0..4 LOOP
            PERFORM add_week(parent, (date_trunc('week', now() AT TIME ZONE 'UTC') + ahead * interval '1 week')::date);
        END LOOP;
        FOR part IN
            SELECT child.relname FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
            WHERE inhparent = ('router.' || parent)::regclass AND child.relname ~ '_[0-9]{8}$'
        LOOP
            week := to_date(right(part, 8), 'YYYYMMDD');
            IF (week + 7)::timestamp AT TIME ZONE 'UTC' < now() - keep THEN
                EXECUTE format('DROP TABLE router.%I', part);
            END IF;
        END LOOP;
    END LOOP;
END $$
"""

_TABLES = {
    "decision": (
        "received_at",
        """
        practice_id text NOT NULL,
        message_id text NOT NULL,
        patient_id text NOT NULL,
        received_at timestamptz NOT NULL,
        is_unrouted boolean NOT NULL,
        record jsonb NOT NULL,
        conversation_version int NOT NULL,
        PRIMARY KEY (practice_id, message_id, received_at)
        """,
        "*, (record->'inputs'->'conversation'->>'version')::int",
    ),
    "applied_change": (
        "applied_at",
        """
        practice_id text NOT NULL,
        change_id text NOT NULL,
        applied_at timestamptz NOT NULL,
        record jsonb NOT NULL,
        PRIMARY KEY (practice_id, change_id, applied_at)
        """,
        "*, '{}'::jsonb",
    ),
}


def upgrade() -> None:
    """Move both tables into weeks; nothing of them is lost."""
    op.execute("ALTER TABLE conversation ADD COLUMN menu_offered_at timestamptz")
    op.execute("ALTER TABLE routing_settings ADD COLUMN reverts int")
    op.execute("ALTER TABLE unpublished_settings RENAME TO unfinished_settings")
    op.execute("ALTER TABLE unfinished_settings ADD COLUMN published_at timestamptz")
    op.execute(_ADD_WEEK)
    op.execute(_KEEP_PARTITIONS)
    op.execute("REVOKE EXECUTE ON FUNCTION add_week(text, date), keep_partitions(interval) FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION keep_partitions(interval) TO {ROLE}")
    for table, (by, columns, values) in _TABLES.items():
        _move(table, by, columns, values)
    op.execute("CREATE INDEX unrouted_decision ON decision (practice_id, received_at) WHERE is_unrouted")
    op.execute("SELECT keep_partitions('100 years')")


def _move(table: str, by: str, columns: str, values: str) -> None:
    op.execute(f"ALTER TABLE {table} RENAME TO {table}_before")
    op.execute(f"ALTER TABLE {table}_before RENAME CONSTRAINT {table}_pkey TO {table}_before_pkey")
    op.execute(f"ALTER TABLE {table}_before DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE TABLE {table} ({columns}) PARTITION BY RANGE ({by})")
    op.execute(f"CREATE TABLE {table}_outside PARTITION OF {table} DEFAULT")
    op.execute(f"REVOKE ALL ON {table}_outside FROM {ROLE}")
    op.execute(
        f"SELECT add_week('{table}', week) FROM (SELECT DISTINCT date_trunc('week', {by} AT TIME ZONE 'UTC')::date "
        f"AS week FROM {table}_before) AS weeks"
    )
    op.execute(f"INSERT INTO {table} SELECT {values} FROM {table}_before")
    op.execute(f"DROP TABLE {table}_before")
    isolate_by_practice(op, table)
    isolate_by_practice(op, f"{table}_outside")
