"""What a door asks at every webhook, in one round trip each; and the way back from a patient to merged records.

The functions let themselves see the one practice that they are asked about, and nothing else.
"""

from alembic import op

revision = "0009"
down_revision = "0008"

_SURVIVORS = """
    -- The active patients that these records are, or were merged into. A record that was merged more than eight times is
    -- not followed to its end; so a ring of merges ends, too.
    CREATE FUNCTION survivors(practice text, records text[]) RETURNS SETOF text STABLE LANGUAGE sql AS $$
        WITH RECURSIVE record AS (
            SELECT patient_id, merged_into, is_active, 0 AS merges FROM patient
            WHERE practice_id = practice AND patient_id = ANY (records)
            UNION ALL
            SELECT patient.patient_id, patient.merged_into, patient.is_active, merges + 1
            FROM record JOIN patient ON patient.practice_id = practice AND patient.patient_id = record.merged_into
            WHERE merges < 8
        )
        SELECT DISTINCT patient_id FROM record WHERE merged_into IS NULL AND is_active ORDER BY patient_id
    $$
"""

_CHANNEL = """
    -- A channel with its practice, the practice's profile, and the key of its contacts' ids.
    CREATE FUNCTION channel_at(
        asked text, OUT practice text, OUT configuration jsonb, OUT profile jsonb, OUT contact_key bytea
    ) LANGUAGE plpgsql AS $$
        #variable_conflict use_column
        BEGIN
            SELECT practice_id INTO practice FROM practice_of WHERE kind = 'channel' AND key = asked;
            PERFORM set_config('app.practices', coalesce(practice, ''), true);
            SELECT channel.configuration, to_jsonb(known), contact_key.key INTO configuration, profile, contact_key
            FROM channel LEFT JOIN profile AS known USING (practice_id) LEFT JOIN contact_key USING (practice_id)
            WHERE channel.practice_id = practice AND channel_id = asked;
        END
    $$
"""

_WRITER = """
    -- Of an address and its phone: the patients who have it, whom staff linked it to, and what is known of it already.
    CREATE FUNCTION writer_at(
        practice text, address text, asked text, through text,
        OUT patients text[], OUT linked_to text, OUT is_contact boolean, OUT answered text[], OUT has_opted_out boolean
    ) LANGUAGE plpgsql AS $$
        #variable_conflict use_column
        BEGIN
            PERFORM set_config('app.practices', practice, true);
            patients := ARRAY (
                SELECT survivors(practice, ARRAY (
                    SELECT patient_id FROM patient WHERE practice_id = practice AND phones @> ARRAY[asked]
                ))
            );
            SELECT survivors(practice, ARRAY[contact.linked_to]) INTO linked_to
            FROM contact WHERE practice_id = practice AND contact_id = address;
            is_contact := EXISTS (
                SELECT FROM contact WHERE practice_id = practice AND contact_id = address AND phone IS NOT NULL
            );
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
    for function in (_SURVIVORS, _CHANNEL, _WRITER):
        op.execute(function)
    op.execute("CREATE INDEX merged_record ON patient (practice_id, merged_into) WHERE merged_into IS NOT NULL")
