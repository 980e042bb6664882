"""Duty times, escalations, and since when what a patient wrote has been unread."""

from alembic import op

from shared_database.migrations import isolate_by_practice

revision = "0004"
down_revision = "0003"

_TABLES = {
    "practice_duty": """
        practice_id text PRIMARY KEY,
        hours jsonb NOT NULL DEFAULT '{}',
        ladder jsonb NOT NULL DEFAULT '{}',
        since timestamptz NOT NULL
    """,
    "duty_times": """
        practice_id text NOT NULL,
        staff_id text NOT NULL,
        times jsonb NOT NULL,
        PRIMARY KEY (practice_id, staff_id)
    """,
    "duty_state": """
        practice_id text PRIMARY KEY,
        on_duty text[] NOT NULL,
        as_of timestamptz NOT NULL
    """,
    "escalation": """
        practice_id text NOT NULL,
        escalation_id text NOT NULL,
        conversation_id text NOT NULL,
        since timestamptz NOT NULL,
        steps jsonb NOT NULL,
        ended text,
        ended_at timestamptz,
        PRIMARY KEY (practice_id, escalation_id)
    """,
    "duty_output": """
        practice_id text NOT NULL,
        id bigint GENERATED ALWAYS AS IDENTITY,
        events bytea NOT NULL,
        PRIMARY KEY (practice_id, id)
    """,
    "auto_reply": """
        practice_id text NOT NULL,
        patient_id text NOT NULL,
        sent_at timestamptz NOT NULL,
        PRIMARY KEY (practice_id, patient_id)
    """,
}

_NOTE_SINCE = """
CREATE FUNCTION note_unread_since() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT NEW.is_open OR NEW.message_version <= NEW.read_version THEN
        NEW.unread_since := NULL;
    ELSIF TG_OP = 'INSERT' THEN
        NEW.unread_since := NEW.updated_at;
    ELSIF OLD.unread_since IS NULL OR NEW.read_version > OLD.read_version THEN
        NEW.unread_since := NEW.updated_at;
    END IF;
    RETURN NEW;
END
$$
"""


def upgrade() -> None:
    for table, columns in _TABLES.items():
        op.execute(f"CREATE TABLE {table} ({columns})")
        isolate_by_practice(op, table)
    op.execute("CREATE INDEX going_on ON escalation (practice_id) WHERE ended IS NULL")
    op.execute("CREATE INDEX of_conversation ON escalation (practice_id, conversation_id)")
    # When the duty of each practice is looked at next: an id and an instant, asked for before any practice is known.
    op.execute("CREATE TABLE duty_turn (practice_id text PRIMARY KEY, turn_at timestamptz NOT NULL)")
    op.execute("CREATE INDEX next_turn ON duty_turn (turn_at)")
    # Conversations that are unread already keep NULL until their next message: nobody is rung for the past.
    op.execute("ALTER TABLE conversation ADD unread_since timestamptz")
    op.execute("CREATE INDEX waiting ON conversation (practice_id) WHERE unread_since IS NOT NULL")
    op.execute(_NOTE_SINCE)
    op.execute(
        "CREATE TRIGGER noted_since BEFORE INSERT OR UPDATE ON conversation "
        "FOR EACH ROW EXECUTE FUNCTION note_unread_since()"
    )
