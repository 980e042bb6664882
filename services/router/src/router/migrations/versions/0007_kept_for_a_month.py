"""Whatever the service asks for, no week of decisions goes within thirty days: its role may be in other hands.

That is the least that a practice's schedule and the service's setting allow as well.
"""

from alembic import op

revision = "0007"
down_revision = "0006"

_KEEP_PARTITIONS = """
CREATE OR REPLACE FUNCTION keep_partitions(keep interval) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = router, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    parent text;
    week date;
    part text;
BEGIN
    keep := greatest(keep, interval '30 days');
    PERFORM pg_advisory_xact_lock(hashtext('router.keep_partitions'));
    FOREACH parent IN ARRAY ARRAY['decision', 'applied_change'] LOOP
        FOR ahead IN 0..4 LOOP
            PERFORM add_week(parent, (date_trunc('week', now() AT TIME ZONE 'UTC') + ahead * interval '1 week')::date);
        END LOOP;
        FOR part IN
            SELECT child.relname FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
            WHERE inhparent = ('router.' || parent)::regclass AND child.relname ~ '_[0-9]{8}$'
        LOOP
            week := to_date(right(part, 8), 'YYYYMMDD');
            IF (week + 7)::timestamp AT TIME ZONE 'UTC' < now() - keep THEN
                EXECUTE format('DROP TABLE router.%I', part);
            END IF;
        END LOOP;
    END LOOP;
END $$
"""


def upgrade() -> None:
    op.execute(_KEEP_PARTITIONS)
