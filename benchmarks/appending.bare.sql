-- One command with one fact into the three tables, and nothing else: no look for rivals, no outside ids, no sealed records.
WITH into_inbox AS (
    INSERT INTO store.inbox (command_id, project_id, fingerprint, answer, versions, recorded_at)
    VALUES (%(command_id)b, %(project_id)b, %(fingerprint)b, %(answer)b::text::json, %(versions)b::text::json,
            %(recorded_at)b)
),
into_events AS (
    INSERT INTO store.events (stream, version, topic, type, event_id, command_id, project_id, actor, request_id,
                              correlation_id, causation_id, schema_id, payload, recorded_at)
    VALUES (%(stream)b, 1, %(topic)b, %(type)b, %(event_id)b, %(command_id)b, %(project_id)b, %(actor)b, %(request_id)b,
            %(request_id)b, %(causation_id)b, %(schema_id)b, %(payload)b, %(recorded_at)b)
)
INSERT INTO store.outbox (command_id, stream, version) VALUES (%(command_id)b, %(stream)b, 1)
