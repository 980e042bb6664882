"""Who writes is found in less time: merges are followed only for those who are patients, and a contact is read once.

Until PostgreSQL 18 a function in SQL, like `survivors`, is planned anew each time that it is called.
"""

from alembic import op

revision = "0015"
down_revision = "0014"

_WRITER = """
    -- Of an address and its phone: the patients who have it, whom staff linked it to, and what is known of it already.
    CREATE OR REPLACE FUNCTION writer_at(
        practice text, address text, asked text, through text,
        OUT patients text[], OUT linked_to text, OUT is_contact boolean, OUT answered text[], OUT has_opted_out boolean
    ) LANGUAGE plpgsql AS $$
        #variable_conflict use_column
        BEGIN
            PERFORM set_config('app.practices', practice, true);
            patients := ARRAY (SELECT patient_id FROM patient WHERE practice_id = practice AND phones @> ARRAY[asked]);
            IF patients <> '{}' THEN
                patients := ARRAY (SELECT survivors(practice, patients));
            END IF;
            SELECT contact.linked_to, phone IS NOT NULL INTO linked_to, is_contact
            FROM contact WHERE practice_id = practice AND contact_id = address;
            is_contact := coalesce(is_contact, false);
            IF linked_to IS NOT NULL THEN
                SELECT survivors(practice, ARRAY[linked_to]) INTO linked_to;
            END IF;
            -- Whose answers go to this phone through this channel, of those whose phone it may be.
            answered := ARRAY (
                SELECT patient_id FROM text_address
                WHERE practice_id = practice AND patient_id = ANY (patients || linked_to || address)
                    AND phone = asked AND channel_id = through
            );
            has_opted_out := EXISTS (
                SELECT FROM text_consent WHERE practice_id = practice AND phone = asked AND NOT is_given
            );
        END
    $$
"""


def upgrade() -> None:
    op.execute(_WRITER)
