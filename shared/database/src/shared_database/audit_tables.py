"""The tables of the audit (`shared_database.audit`), the same in every service's schema.

A service can read its audit and append to it, and nothing else: it has no right to insert, and nobody's update, delete or
truncate passes the trigger. Each practice has a chain of its own: a record's digest covers the digest before it, so that a
record that was changed, removed or moved shows (`switchboard audit verify`).
"""

from shared_database.migrations import Executes, isolate_by_practice
from shared_database.pools import SCOPE

_TABLES = (
    # Ids only: of a person of the staff, of what was read or changed, of the patients whom it was about.
    """
    CREATE TABLE audit_record (
        practice_id text NOT NULL,
        position bigint NOT NULL,
        at timestamptz NOT NULL,
        actor text NOT NULL,
        role text NOT NULL,
        action text NOT NULL,
        subject text NOT NULL,
        patient_ids text[] NOT NULL,
        digest bytea NOT NULL,
        PRIMARY KEY (practice_id, position)
    )
    """,
    # Where each practice's chain ends. Positions and digests, read across practices: no row-level security.
    "CREATE TABLE audit_end (practice_id text PRIMARY KEY, position bigint NOT NULL, digest bytea NOT NULL)",
)

_REFUSE = """
CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE insufficient_privilege USING MESSAGE = 'the audit is append-only';
END $$
"""

_APPEND = """
CREATE FUNCTION append_audit(practice text, actor text, role text, action text, subject text, patients text[])
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
DECLARE
    place bigint;
    before bytea;
    instant timestamptz;
    link bytea;
BEGIN
    IF practice = ANY (string_to_array(current_setting('{scope}', true), ',')) IS NOT TRUE THEN
        RAISE insufficient_privilege USING MESSAGE = 'this is not a practice of the transaction';
    END IF;
    INSERT INTO audit_end VALUES (practice, 0, '') ON CONFLICT DO NOTHING;
    SELECT audit_end.position + 1, audit_end.digest INTO place, before
    FROM audit_end WHERE practice_id = practice FOR UPDATE;
    instant := clock_timestamp();
    link := sha256(before || convert_to(jsonb_build_array(practice, place,
        (extract(epoch FROM instant) * 1000000)::bigint, actor, role, action, subject, to_jsonb(patients))::text, 'UTF8'));
    INSERT INTO audit_record VALUES (practice, place, instant, actor, role, action, subject, patients, link);
    UPDATE audit_end SET position = place, digest = link WHERE practice_id = practice;
END $$
"""


def create_audit(op: Executes, schema: str) -> None:
    """Create the audit in `schema`, the schema of this migration."""
    role = f"switchboard_{schema}"
    for statement in (*_TABLES, _REFUSE, _APPEND.format(schema=schema, scope=SCOPE)):
        op.execute(statement)
    isolate_by_practice(op, "audit_record")
    op.execute(f"REVOKE INSERT, UPDATE, DELETE ON audit_record, audit_end FROM {role}")
    op.execute(f"GRANT EXECUTE ON FUNCTION append_audit(text, text, text, text, text, text[]) TO {role}")
    for table, events in (("audit_record", "UPDATE OR DELETE OR TRUNCATE"), ("audit_end", "DELETE OR TRUNCATE")):
        op.execute(
            f"CREATE TRIGGER append_only BEFORE {events} ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()"
        )
