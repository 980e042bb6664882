"""Alembic for all services: one history per service, in the service's schema, applied by the database's owner.

A service's `migrations` package holds `env.py` (three lines that call `run_environment`) and `versions/`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import Protocol

from alembic import command, context
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.pool import NullPool

from shared_database.pools import SCOPE

_LOCK = 7_240_919
"""One migration at a time per database: two `migrate` commands at once wait for each other."""


class Executes(Protocol):
    """Alembic's `op`: a migration hands it over, because it exists only while one runs."""

    def execute(self, sqltext: str) -> None:
        """Run a statement."""


@dataclass(frozen=True, slots=True)
class ServiceSchema:
    """A service's schema and the package that holds its migrations."""

    schema: str
    package: str

    @property
    def role(self) -> str:
        """The role that the service takes on."""
        return f"switchboard_{self.schema}"


def migrate(dsn: str, services: Sequence[ServiceSchema]) -> dict[str, str]:
    """Bring each service's schema to its newest revision, and return the revision of each. Never takes one back.

    Safe to run twice and at once. Needs a login that may create roles and schemas.
    """
    engine = _owner_engine(dsn)
    revisions: dict[str, str] = {}
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        connection.commit()
        try:
            for service in services:
                _prepare(connection, service)
                revisions[service.schema] = _upgrade(connection, service)
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})
            connection.commit()
    return revisions


def newest_revision(service: ServiceSchema) -> str:
    """The revision that the code of this service wants."""
    with as_file(files(service.package) / "migrations") as folder:
        return ScriptDirectory(str(folder)).get_current_head() or ""


def current_revision(dsn: str, service: ServiceSchema) -> str | None:
    """The revision that the database has, or None where the service was never migrated."""
    with _owner_engine(dsn).connect() as connection:
        options = {"version_table_schema": service.schema}
        return MigrationContext.configure(connection, opts=options).get_current_revision()


def is_migrated(dsn: str, service: ServiceSchema) -> bool:
    """Whether this code finds what it needs: its own newest revision, or one that it does not know, which is newer."""
    current = current_revision(dsn, service)
    return current is not None and (current == newest_revision(service) or current not in _revisions(service))


def run_environment() -> None:
    """The whole of a service's `env.py`."""
    connection: Connection = context.config.attributes["connection"]
    schema: str = context.config.attributes["schema"]
    context.configure(connection=connection, version_table_schema=schema, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


def isolate_by_practice(op: Executes, table: str) -> None:
    """Give a table row-level security by its column `practice_id` (promise 9); its owner is bound by it too.

    The setting is read once per statement (the sub-select), not once per row, and the practices are the keys of an
    object: a batch sees hundreds of them, and a list would be searched from its beginning for each row.
    """
    practices = f"string_to_array(current_setting('{SCOPE}', true), ',')"
    visible = f"(SELECT jsonb_object({practices}, {practices})) ? practice_id"
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY practice_isolation ON {table} USING ({visible}) WITH CHECK ({visible})")


def _revisions(service: ServiceSchema) -> frozenset[str]:
    with as_file(files(service.package) / "migrations") as folder:
        return frozenset(script.revision for script in ScriptDirectory(str(folder)).walk_revisions())


def _owner_engine(dsn: str) -> Engine:
    url = make_url(dsn).set(drivername="postgresql+psycopg")
    return create_engine(url, poolclass=NullPool, hide_parameters=True)


def _prepare(connection: Connection, service: ServiceSchema) -> None:
    """Make the service's role and schema. The role may use the schema's tables, and nothing else of the database."""
    role, schema = service.role, service.schema
    exists = connection.execute(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role}).scalar()
    if exists is None:
        connection.execute(text(f"CREATE ROLE {role} NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE"))
        connection.execute(text(f"GRANT {role} TO CURRENT_USER"))
    connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {schema}"))
    connection.execute(text(f"GRANT USAGE ON SCHEMA {schema} TO {role}"))
    for privileges, kind in (("SELECT, INSERT, UPDATE, DELETE", "TABLES"), ("USAGE, SELECT", "SEQUENCES")):
        connection.execute(text(f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT {privileges} ON {kind} TO {role}"))
    connection.execute(text(f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC"))
    connection.commit()


def _upgrade(connection: Connection, service: ServiceSchema) -> str:
    """The revision afterwards. A schema that is newer than this code stays as it is: that is the way back of a release."""
    options = {"version_table_schema": service.schema}
    current = MigrationContext.configure(connection, opts=options).get_current_revision()
    connection.commit()
    if current is not None and current not in _revisions(service):
        return current
    with as_file(files(service.package) / "migrations") as folder:
        config = Config()
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        config.attributes["connection"] = connection
        config.attributes["schema"] = service.schema
        connection.execute(text(f"SET search_path TO {service.schema}"))
        connection.commit()
        command.upgrade(config, "head")
        connection.commit()
    return newest_revision(service)
