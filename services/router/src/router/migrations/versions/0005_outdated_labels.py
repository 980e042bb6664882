"""Whether the appointment that a label came from has moved or is gone since: labels never change by that (L3)."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("""
        ALTER TABLE conversation
            ADD COLUMN location_outdated boolean NOT NULL DEFAULT false,
            ADD COLUMN provider_outdated boolean NOT NULL DEFAULT false
    """)
