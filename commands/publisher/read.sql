-- Numbered facts after a position, in order.
SELECT event_id, type, topic, stream, version, recorded_at, project_id, actor, correlation_id, causation_id, payload,
       position, hash, partition
  FROM store.log
 WHERE position > %(after)s
 ORDER BY position
 LIMIT %(limit)s
