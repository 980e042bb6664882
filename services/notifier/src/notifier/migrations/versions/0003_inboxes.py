"""Inboxes with counts, names of patients, the directory, search, reply templates, and what became of actions.

Counts are kept by triggers, so that whoever writes a conversation or a notification keeps them: see ADR 0030.
"""

from alembic import op

from shared_database.migrations import isolate_by_practice

revision = "0003"
down_revision = "0002"

_TRANSCRIPT = "CASE WHEN name = 'transcript' THEN content #>> '{}' END"


def _words(text: str) -> str:
    """The words of a text without its punctuation, of which PostgreSQL would make numbers, hosts and paths."""
    return rf"to_tsvector('simple'::regconfig, regexp_replace({text}, '\W+', ' ', 'g'))"


_TABLES = {
    "patient": f"""
        practice_id text NOT NULL,
        patient_id text NOT NULL,
        given_name text NOT NULL,
        family_name text NOT NULL,
        as_of timestamptz NOT NULL,
        words tsvector GENERATED ALWAYS AS ({_words("given_name || ' ' || family_name")}) STORED,
        PRIMARY KEY (practice_id, patient_id)
    """,
    "directory": """
        practice_id text PRIMARY KEY,
        directory jsonb NOT NULL,
        as_of timestamptz NOT NULL
    """,
    "reply_template": """
        practice_id text NOT NULL,
        template_id text NOT NULL,
        title text NOT NULL,
        body text NOT NULL,
        changed_by text NOT NULL,
        changed_at timestamptz NOT NULL,
        PRIMARY KEY (practice_id, template_id)
    """,
    "action_outcome": """
        practice_id text NOT NULL,
        change_id text NOT NULL,
        outcome jsonb NOT NULL,
        PRIMARY KEY (practice_id, change_id)
    """,
    "inbox_count": """
        practice_id text NOT NULL,
        inbox text NOT NULL,
        open int NOT NULL,
        unread int NOT NULL,
        PRIMARY KEY (practice_id, inbox)
    """,
    "unseen_count": """
        practice_id text NOT NULL,
        staff_id text NOT NULL,
        unseen int NOT NULL,
        PRIMARY KEY (practice_id, staff_id)
    """,
}

_COLUMNS = (
    # Keys of the inboxes that list the conversation (`notifier.domain.inboxes`); none while it is closed.
    "ALTER TABLE conversation ADD inboxes text[] NOT NULL DEFAULT '{}'",
    "ALTER TABLE conversation ADD message_version int NOT NULL DEFAULT 0",
    "ALTER TABLE conversation ADD read_version int NOT NULL DEFAULT 0",
    (
        "ALTER TABLE conversation ADD is_unread boolean NOT NULL GENERATED ALWAYS AS "
        "(is_open AND message_version > read_version) STORED"
    ),
    "ALTER TABLE notification ADD conversation_version int NOT NULL DEFAULT 0",
    f"ALTER TABLE thread_message ADD words tsvector GENERATED ALWAYS AS ({_words('body')}) STORED",
    f"ALTER TABLE message_detail ADD words tsvector GENERATED ALWAYS AS ({_words(_TRANSCRIPT)}) STORED",
    "DROP INDEX unseen",
    "CREATE INDEX unseen ON notification (practice_id, staff_id, conversation_id) WHERE seen_at IS NULL",
    "DROP INDEX inbox",
    "CREATE INDEX inbox ON conversation (practice_id, is_open, inbox_kind, inbox_id, updated_at DESC, conversation_id DESC)",
    "CREATE INDEX newest ON conversation (practice_id, is_open, updated_at DESC, conversation_id DESC)",
    """
    UPDATE conversation SET inboxes = CASE inbox_kind
            WHEN 'unassigned' THEN ARRAY['unassigned']
            WHEN 'member' THEN ARRAY['assigned:' || inbox_id]
            ELSE ARRAY['shared:' || inbox_id]
        END || ARRAY(SELECT 'mine:' || staff_id FROM unnest(audience) AS staff_id)
    WHERE is_open
    """,
)

_COUNT_CONVERSATIONS = """
CREATE FUNCTION count_conversations() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO inbox_count
        SELECT practice_id, inbox, count(*), count(*) FILTER (WHERE is_unread)
        FROM after, unnest(inboxes) AS inbox
        GROUP BY practice_id, inbox ORDER BY practice_id, inbox
        ON CONFLICT (practice_id, inbox)
        DO UPDATE SET open = inbox_count.open + excluded.open, unread = inbox_count.unread + excluded.unread;
    ELSE
        INSERT INTO inbox_count
        SELECT practice_id, inbox, sum(step), coalesce(sum(step) FILTER (WHERE is_unread), 0)
        FROM (
            SELECT practice_id, inboxes, is_unread, 1 AS step FROM after
            UNION ALL SELECT practice_id, inboxes, is_unread, -1 FROM before
        ) AS changes, unnest(inboxes) AS inbox
        GROUP BY practice_id, inbox
        HAVING sum(step) <> 0 OR coalesce(sum(step) FILTER (WHERE is_unread), 0) <> 0
        ORDER BY practice_id, inbox
        ON CONFLICT (practice_id, inbox)
        DO UPDATE SET open = inbox_count.open + excluded.open, unread = inbox_count.unread + excluded.unread;
    END IF;
    RETURN NULL;
END
$$
"""

_COUNT_NOTIFICATIONS = """
CREATE FUNCTION count_notifications() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO unseen_count
        SELECT practice_id, staff_id, count(*) FROM after WHERE seen_at IS NULL
        GROUP BY practice_id, staff_id ORDER BY practice_id, staff_id
        ON CONFLICT (practice_id, staff_id) DO UPDATE SET unseen = unseen_count.unseen + excluded.unseen;
    ELSE
        INSERT INTO unseen_count
        SELECT practice_id, staff_id, sum(step) FROM (
            SELECT practice_id, staff_id, 1 AS step FROM after WHERE seen_at IS NULL
            UNION ALL SELECT practice_id, staff_id, -1 FROM before WHERE seen_at IS NULL
        ) AS changes
        GROUP BY practice_id, staff_id HAVING sum(step) <> 0 ORDER BY practice_id, staff_id
        ON CONFLICT (practice_id, staff_id) DO UPDATE SET unseen = unseen_count.unseen + excluded.unseen;
    END IF;
    RETURN NULL;
END
$$
"""

_COUNT_WHAT_IS_THERE = (
    (
        "INSERT INTO inbox_count SELECT practice_id, inbox, count(*), count(*) FILTER (WHERE is_unread) "
        "FROM conversation, unnest(inboxes) AS inbox GROUP BY practice_id, inbox"
    ),
    (
        "INSERT INTO unseen_count SELECT practice_id, staff_id, count(*) FROM notification WHERE seen_at IS NULL "
        "GROUP BY practice_id, staff_id"
    ),
)


def upgrade() -> None:
    for table, columns in _TABLES.items():
        op.execute(f"CREATE TABLE {table} ({columns})")
    # Counted before the triggers are there, and before row-level security hides the rows from the owner.
    op.execute("ALTER TABLE conversation NO FORCE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE notification NO FORCE ROW LEVEL SECURITY")
    for statement in (*_COLUMNS, *_COUNT_WHAT_IS_THERE, _COUNT_CONVERSATIONS, _COUNT_NOTIFICATIONS):
        op.execute(statement)
    for table, counting in (("conversation", "count_conversations"), ("notification", "count_notifications")):
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE TRIGGER counted_when_new AFTER INSERT ON {table} REFERENCING NEW TABLE AS after "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {counting}()"
        )
        op.execute(
            f"CREATE TRIGGER counted_when_changed AFTER UPDATE ON {table} REFERENCING OLD TABLE AS before "
            f"NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION {counting}()"
        )
    for table in _TABLES:
        isolate_by_practice(op, table)
