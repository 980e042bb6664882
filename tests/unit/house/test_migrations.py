"""Each service's migrations are one line: two that follow the same one could be applied by nobody."""

import pytest

from shared_database.migrations import ServiceSchema, newest_revision
from switchboard_cli.origin import SCHEMAS


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.schema)
def test_a_services_migrations_have_one_end(schema: ServiceSchema) -> None:
    assert newest_revision(schema)
