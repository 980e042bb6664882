"""When an adapter's token was used last."""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.execute("ALTER TABLE channel ADD COLUMN used_at timestamptz")
