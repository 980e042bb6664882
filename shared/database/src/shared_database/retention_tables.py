"""The table of the retention (`shared_database.retention`), the same in the services that keep what patients said."""

from shared_database.migrations import Executes


def create_retention(op: Executes, table: str) -> None:
    """Create it in the schema of this migration; every practice that gets a row in `table` is looked at from then on."""
    # Which practice is looked at when: ids and times, read before any practice is known, so no row-level security.
    op.execute("CREATE TABLE retention_due (practice_id text PRIMARY KEY, due_at timestamptz NOT NULL)")
    op.execute("CREATE INDEX retention_order ON retention_due (due_at)")
    op.execute(
        """
        CREATE FUNCTION note_retention_due() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO retention_due SELECT DISTINCT practice_id, now() FROM after ON CONFLICT DO NOTHING;
            RETURN NULL;
        END $$
        """
    )
    op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    op.execute(f"INSERT INTO retention_due SELECT DISTINCT practice_id, now() FROM {table}")  # noqa: S608 - our own
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE TRIGGER kept_from_now_on AFTER INSERT ON {table} REFERENCING NEW TABLE AS after "
        "FOR EACH STATEMENT EXECUTE FUNCTION note_retention_due()"
    )
