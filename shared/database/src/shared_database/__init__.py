"""PostgreSQL for every service: pools that log in as the service's role, practice isolation, migrations.

One database, one schema per service, one role per service that reaches nothing but its own schema. Every table with
practice data has row-level security: a connection sees the practices that it was told to see, and none by default.
"""

from shared_database.audit import append_audit, audit
from shared_database.pools import (
    DATABASE_FAILURES,
    UNKEEPABLE,
    DatabaseLogin,
    columns,
    create_pool,
    practice_scope,
    set_practices,
)

__all__ = [
    "DATABASE_FAILURES",
    "UNKEEPABLE",
    "DatabaseLogin",
    "append_audit",
    "audit",
    "columns",
    "create_pool",
    "practice_scope",
    "set_practices",
]
