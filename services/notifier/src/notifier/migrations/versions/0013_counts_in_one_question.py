"""The counts of a practice are asked for in one round trip: they are read after everything that happens in it."""

from alembic import op

revision = "0013"
down_revision = "0012"

_COUNTS = """
    -- Of a practice: these inboxes, and how much these people have not seen.
    CREATE FUNCTION counts_at(practice text, inboxes text[], people text[])
    RETURNS TABLE (inbox text, open int, unread int, staff_id text, unseen int) LANGUAGE plpgsql AS $$
        #variable_conflict use_column
        BEGIN
            PERFORM set_config('app.practices', practice, true);
            RETURN QUERY
                SELECT inbox, open, unread, NULL::text, NULL::int FROM inbox_count
                WHERE practice_id = practice AND inbox = ANY (inboxes)
                UNION ALL
                SELECT NULL, NULL, NULL, staff_id, unseen FROM unseen_count
                WHERE practice_id = practice AND staff_id = ANY (people);
        END
    $$
"""


def upgrade() -> None:
    op.execute(_COUNTS)
