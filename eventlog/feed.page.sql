-- A project's facts after a position, in order. `previous_hash` is that of the position before, whosever fact that is.
SELECT p.position, p.hash, coalesce(before.hash, %(genesis)b) AS previous_hash, p.topic, p.stream, p.version,
       e.type, e.event_id, e.project_id, e.actor, e.correlation_id, e.causation_id, e.payload AS value, e.recorded_at
  FROM store.positions p
  JOIN store.events e USING (stream, version)
  LEFT JOIN store.positions before ON before.position = p.position - 1
 WHERE p.project_id = %(project_id)s AND p.position > %(after)s
 ORDER BY p.position
 LIMIT %(limit)s
