-- A page of the log after a position, with the fact before it.
SELECT position, hash, topic, stream, version, type, event_id, project_id, actor, correlation_id, causation_id,
       payload AS value, recorded_at
  FROM store.log
 WHERE position >= %(after)s
 ORDER BY position
 LIMIT %(limit)s
