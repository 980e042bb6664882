"""Which conversation a contact's, or a merged record's, goes on in."""

from alembic import op

from shared_database.migrations import isolate_by_practice

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE conversation_link (
            practice_id text NOT NULL,
            conversation_id text NOT NULL,
            linked_to text NOT NULL,
            linked_at timestamptz NOT NULL,
            PRIMARY KEY (practice_id, conversation_id)
        )
        """
    )
    isolate_by_practice(op, "conversation_link")
    op.execute("CREATE INDEX linked_conversations ON conversation_link (practice_id, linked_to)")
