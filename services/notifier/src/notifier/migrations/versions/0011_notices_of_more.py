"""People are told of more than messages: of escalations, and of webhook endpoints that were disabled."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    # `about_id`: the escalation, or the endpoint; a notice of a message is about its notification.
    op.execute(
        "ALTER TABLE personal_notice ADD COLUMN kind text NOT NULL DEFAULT 'message', "
        "ADD COLUMN about_id text NOT NULL DEFAULT ''"
    )
