"""Who read or changed what."""

from alembic import op

from shared_database.audit_tables import create_audit

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    create_audit(op, "notifier")
