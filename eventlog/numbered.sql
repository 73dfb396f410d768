-- Numbered facts after a position, and the one at it, in order, written as hash and headers have them
-- (schemas.envelope.Written).
SELECT topic, stream, event_id::text, type, version::text,
       to_char(recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
       project_id, correlation_id, causation_id, payload,
       position, hash, partition
  FROM store.log
 WHERE position >= %(after)s
 ORDER BY position
 LIMIT %(limit)s
