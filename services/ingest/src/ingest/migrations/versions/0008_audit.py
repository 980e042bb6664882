"""Who read or changed what."""

from alembic import op

from shared_database.audit_tables import create_audit

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    create_audit(op, "ingest")
