"""Who writes for the first time is kept in one round trip as well."""

from alembic import op

revision = "0014"
down_revision = "0013"

_KEEP = """
    -- A contact, where its address is given, and where a patient texts from, where a channel is.
    CREATE FUNCTION keep_writer(practice text, address text, patient text, asked text, through text) RETURNS void
    LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM set_config('app.practices', practice, true);
            IF address IS NOT NULL THEN
                INSERT INTO contact (practice_id, contact_id, phone) VALUES (practice, address, asked)
                ON CONFLICT (practice_id, contact_id) DO UPDATE SET phone = excluded.phone WHERE contact.phone IS NULL;
            END IF;
            IF through IS NOT NULL THEN
                INSERT INTO text_address VALUES (practice, patient, asked, through)
                ON CONFLICT (practice_id, patient_id) DO UPDATE
                    SET phone = excluded.phone, channel_id = excluded.channel_id;
            END IF;
        END
    $$
"""


def upgrade() -> None:
    op.execute(_KEEP)
