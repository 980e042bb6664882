"""Alembic's entry: see `shared_database.migrations`."""

from shared_database.migrations import run_environment

run_environment()
