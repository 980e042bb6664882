"""What `migrate` does and waits for, on a real PostgreSQL."""

from collections.abc import Generator

import pytest
from sqlalchemy import create_engine, text

from router.app import SCHEMA
from shared_database.migrations import is_migrated, migrate, newest_revision

NEWER = "9999"
"""A revision of a release that does not exist yet."""


@pytest.fixture
def newer(postgres_dsn: str) -> Generator[str]:
    """A database that a newer release has migrated."""
    migrate(postgres_dsn, [SCHEMA])
    engine = create_engine(postgres_dsn.replace("postgresql://", "postgresql+psycopg://", 1))
    change = text("UPDATE router.alembic_version SET version_num = :revision")
    with engine.begin() as connection:
        connection.execute(change, {"revision": NEWER})
    yield postgres_dsn
    with engine.begin() as connection:
        connection.execute(change, {"revision": newest_revision(SCHEMA)})
    engine.dispose()


def test_the_release_before_works_on_a_newer_schema_and_leaves_it(newer: str) -> None:
    assert is_migrated(newer, SCHEMA)
    assert migrate(newer, [SCHEMA]) == {"router": NEWER}


def test_a_schema_that_nobody_has_migrated_is_waited_for(postgres_dsn: str) -> None:
    missing = type(SCHEMA)(schema="not_there", package="router")

    assert not is_migrated(postgres_dsn, missing)
