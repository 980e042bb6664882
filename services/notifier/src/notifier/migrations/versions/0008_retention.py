"""When each practice is looked at for what its schedule no longer keeps; counts that stay right when rows go."""

from alembic import op

from shared_database.retention_tables import create_retention

revision = "0008"
down_revision = "0007"

_COUNT_LESS = """
CREATE FUNCTION count_conversations_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE inbox_count SET open = inbox_count.open - gone.open, unread = inbox_count.unread - gone.unread FROM (
        SELECT practice_id, inbox, count(*) AS open, count(*) FILTER (WHERE is_unread) AS unread
        FROM before, unnest(inboxes) AS inbox GROUP BY practice_id, inbox
    ) AS gone WHERE inbox_count.practice_id = gone.practice_id AND inbox_count.inbox = gone.inbox;
    RETURN NULL;
END $$;
CREATE FUNCTION count_notifications_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE unseen_count SET unseen = unseen_count.unseen - gone.unseen FROM (
        SELECT practice_id, staff_id, count(*) AS unseen FROM before WHERE seen_at IS NULL GROUP BY practice_id, staff_id
    ) AS gone WHERE unseen_count.practice_id = gone.practice_id AND unseen_count.staff_id = gone.staff_id;
    RETURN NULL;
END $$;
"""


def upgrade() -> None:
    create_retention(op, "practice")
    op.execute(_COUNT_LESS)
    for table in ("conversation", "notification"):
        op.execute(
            f"CREATE TRIGGER counted_when_gone AFTER DELETE ON {table} REFERENCING OLD TABLE AS before "
            f"FOR EACH STATEMENT EXECUTE FUNCTION count_{table}s_gone()"
        )
