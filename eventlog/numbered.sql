-- Numbered facts after a position, and the one at it, in order, written as hash and headers have them
-- (schemas.envelope.Written). OFFSET 0: each fact is looked up by its key, whatever Postgres believes of the tables' sizes.
SELECT e.topic, e.stream, e.event_id::text, e.type, e.version::text,
       to_char(e.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
       e.project_id, e.correlation_id, e.causation_id, e.payload,
       p.position, p.hash
  FROM store.positions p
 CROSS JOIN LATERAL (SELECT * FROM store.events e WHERE (e.stream, e.version) = (p.stream, p.version) OFFSET 0) e
 WHERE p.position >= %(after)s
 ORDER BY p.position
 LIMIT %(limit)s
