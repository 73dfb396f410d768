-- The facts of one stream after a version, as far as they were numbered up to a position.
SELECT p.position, p.hash, coalesce(before.hash, %(genesis)b) AS previous_hash, e.topic, e.stream, e.version, e.type, e.event_id,
       e.project_id, e.actor, e.correlation_id, e.causation_id, e.payload AS value, e.recorded_at
  FROM store.events e
  JOIN store.positions p USING (stream, version)
  LEFT JOIN store.positions before ON before.position = p.position - 1
 WHERE e.stream = %(stream)b AND e.version > %(after)b AND p.position <= %(up_to)b
 ORDER BY e.version
 LIMIT %(limit)b
