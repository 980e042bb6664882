"""What a door asks about all texts that came meanwhile is found for all of them at once, and planned once.

The functions let themselves see the practices that they are asked about, and nothing else.
"""

from alembic import op

revision = "0016"
down_revision = "0015"

_WRITERS = """
    -- Of addresses and their phones: the patients who have them, whom staff linked them to, and what is known of them.
    CREATE FUNCTION writers_at(practices text[], addresses text[], phones text[], channels text[]) RETURNS TABLE (
        place bigint, patients text[], linked_to text, is_contact boolean, answered text[], has_opted_out boolean
    ) LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
        #variable_conflict use_column
        BEGIN
            PERFORM set_config('app.practices', array_to_string(practices, ','), true);
            RETURN QUERY SELECT
                place, who.patients, who.linked_to, contact.phone IS NOT NULL,
                -- Whose answers go to this phone through this channel, of those whose phone it may be.
                ARRAY (
                    SELECT patient_id FROM text_address
                    WHERE practice_id = practice AND patient_id = ANY (who.patients || who.linked_to || address)
                        AND text_address.phone = asked.phone AND channel_id = channel
                ),
                is_given IS FALSE
            FROM unnest(practices, addresses, phones, channels) WITH ORDINALITY
                AS asked (practice, address, phone, channel, place)
            LEFT JOIN contact ON contact.practice_id = practice AND contact_id = address
            LEFT JOIN text_consent ON text_consent.practice_id = practice AND text_consent.phone = asked.phone
            CROSS JOIN LATERAL (
                SELECT array_agg(patient_id) AS records, bool_or(merged_into IS NOT NULL) AS is_merged,
                    coalesce(array_agg(patient_id ORDER BY patient_id) FILTER (WHERE is_active), '{}') AS active
                FROM patient WHERE practice_id = practice AND phones @> ARRAY[asked.phone]
                OFFSET 0  -- or it would be looked up for each time that it is used
            ) AS with_phone
            CROSS JOIN LATERAL (
                SELECT CASE WHEN is_merged THEN ARRAY (SELECT survivors(practice, records)) ELSE active END AS patients,
                    CASE WHEN contact.linked_to IS NOT NULL
                        THEN (SELECT survivors(practice, ARRAY[contact.linked_to])) END AS linked_to
                OFFSET 0
            ) AS who;
        END
    $$
"""

_ARRIVALS = """
    -- Of channels and what wrote there: each channel with its practice, the practice's profile, the key of its contacts'
    -- ids, and who writes; in the order in which they are asked about.
    CREATE FUNCTION arrivals_at(channels text[], addresses text[], phones text[]) RETURNS TABLE (
        practice text, configuration jsonb, profile jsonb, contact_key bytea,
        patients text[], linked_to text, is_contact boolean, answered text[], has_opted_out boolean
    ) LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
        #variable_conflict use_column
        DECLARE practices text[];
        BEGIN
            practices := ARRAY (
                SELECT practice_id FROM unnest(channels) WITH ORDINALITY AS asked (channel, place)
                LEFT JOIN practice_of ON kind = 'channel' AND key = channel ORDER BY place
            );
            RETURN QUERY SELECT
                practices[place], channel.configuration, to_jsonb(known), contact_key.key, writer.patients,
                writer.linked_to, writer.is_contact, writer.answered, writer.has_opted_out
            FROM writers_at(practices, addresses, phones, channels) AS writer
            LEFT JOIN channel ON channel.practice_id = practices[place] AND channel_id = channels[place]
            LEFT JOIN profile AS known ON known.practice_id = practices[place]
            LEFT JOIN contact_key ON contact_key.practice_id = practices[place]
            ORDER BY place;
        END
    $$
"""


def upgrade() -> None:
    op.execute(_WRITERS)
    op.execute(_ARRIVALS)
