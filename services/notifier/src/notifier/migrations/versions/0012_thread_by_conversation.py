"""A thread is found by its conversation alone, which is of one practice.

An index that begins with the practice is one that the planner, before it has statistics of a table, may also take to find
a message by its id: it then reads all messages of the practice for each one.
"""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.execute("DROP INDEX thread")
    op.execute("CREATE INDEX thread ON thread_message (conversation_id, sent_at)")
