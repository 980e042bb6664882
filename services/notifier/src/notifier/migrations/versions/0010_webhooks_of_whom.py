"""Of which conversation a webhook's event is: its data is sealed, and erasing a patient must find it."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    # `?` is of nobody knows whom: what is there by now, and what the release before this one still writes. Erasing any
    # patient of the practice takes it; after seven days there is none of it.
    op.execute("ALTER TABLE webhook_event ADD COLUMN conversation_id text DEFAULT '?'")
