"""When each practice is looked at for what its schedule no longer keeps."""

from alembic import op

from shared_database.retention_tables import create_retention

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    create_retention(op, "settings")
