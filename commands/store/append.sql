-- Writes commands in one statement: inbox, facts, outbox, outside ids, deadlines, sealed records. Plain, it writes them
-- all, and a rival who was faster makes it fail on a unique key; with checked.sql in its middle it looks for rivals first.
-- Nothing here but refs, deadlines and sealed records says ON CONFLICT: it would leave half of a command over two streams.
--
-- The tables are written in one order, each by its key, so that rivals queue up instead of locking each other out: one
-- with the same command id waits at the inbox, one on the same stream at events, and neither has drawn an ordinal yet.
-- So the outbox holds the facts of a stream in order. Counting what went before enforces it: else the order is open.
WITH command AS (
    SELECT *
      FROM unnest(%(unit)b::int4[], %(command_id)b::uuid[], %(project_id)b::text[], %(fingerprint)b::bytea[],
                  %(answer)b::text[], %(refusal)b::text[], %(versions)b::text[], %(recorded_at)b::timestamptz[],
                  %(actor)b::text[], %(request_id)b::text[], %(causation_id)b::text[])
        AS c (unit, command_id, project_id, fingerprint, answer, refusal, versions, recorded_at,
              actor, request_id, causation_id)
),
fact AS (
    SELECT *
      FROM unnest(%(fact_command_id)b::uuid[], %(stream)b::text[], %(version)b::int4[], %(topic)b::text[],
                  %(type)b::text[], %(event_id)b::uuid[], %(schema_id)b::int4[], %(payload)b::bytea[])
           WITH ORDINALITY AS f (command_id, stream, version, topic, type, event_id, schema_id, payload, place)
),
{accepted},
into_inbox AS (
    INSERT INTO store.inbox (command_id, project_id, fingerprint, answer, refusal, versions, recorded_at)
    SELECT command_id, project_id, fingerprint, answer::json, refusal::json, versions::json, recorded_at
      FROM accepted
     ORDER BY command_id
    RETURNING 1
),
into_events AS (
    INSERT INTO store.events (stream, version, topic, type, event_id, command_id, project_id, actor, request_id,
                              correlation_id, causation_id, schema_id, payload, recorded_at)
    SELECT stream, version, topic, type, event_id, command_id, project_id, actor, request_id,
           request_id, causation_id, schema_id, payload, recorded_at
      FROM fact JOIN accepted USING (command_id)
     WHERE (SELECT count(*) FROM into_inbox) >= 0
     ORDER BY stream, version
    RETURNING 1
),
into_outbox AS (
    INSERT INTO store.outbox (command_id, stream, version)
    SELECT command_id, stream, version
      FROM fact JOIN accepted USING (command_id)
     WHERE (SELECT count(*) FROM into_events) >= 0
     ORDER BY place
    RETURNING 1
),
into_refs AS (
    INSERT INTO store.refs (kind, value, stream)
    SELECT kind, value, stream
      FROM unnest(%(ref_command_id)b::uuid[], %(ref_kind)b::text[], %(ref_value)b::text[], %(ref_stream)b::text[])
           AS r (command_id, kind, value, stream)
      JOIN accepted USING (command_id)
     WHERE (SELECT count(*) FROM into_outbox) >= 0
     ORDER BY kind, value
    ON CONFLICT DO NOTHING
    RETURNING 1
),
into_deadlines AS (
    INSERT INTO store.deadlines (topic, stream, due_at, project_id)
    SELECT topic, stream, due_at, project_id
      FROM unnest(%(deadline_command_id)b::uuid[], %(deadline_topic)b::text[], %(deadline_stream)b::text[],
                  %(deadline_due_at)b::timestamptz[])
           AS d (command_id, topic, stream, due_at)
      JOIN accepted USING (command_id)
     WHERE (SELECT count(*) FROM into_refs) >= 0
     ORDER BY topic, due_at, stream
    ON CONFLICT DO NOTHING
    RETURNING 1
),
into_vault AS (
    INSERT INTO vault.records (owner, kind, id, sealed, expires_at)
    SELECT owner, kind, id, sealed, expires_at
      FROM unnest(%(sealed_command_id)b::uuid[], %(sealed_owner)b::text[], %(sealed_kind)b::text[],
                  %(sealed_id)b::text[], %(sealed_bytes)b::bytea[], %(sealed_expires_at)b::timestamptz[])
           AS s (command_id, owner, kind, id, sealed, expires_at)
      JOIN accepted USING (command_id)
     WHERE (SELECT count(*) FROM into_deadlines) >= 0
     ORDER BY kind, id, owner
    ON CONFLICT DO NOTHING
    RETURNING 1
)
SELECT verdict.* FROM verdict WHERE (SELECT count(*) FROM into_vault) >= 0
