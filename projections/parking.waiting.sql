SELECT stream, position, event_id, type, topic, version, recorded_at, project_id, actor, correlation_id, causation_id, value,
       previous_hash, hash
  FROM read.parked_facts
 WHERE read_model = %(read_model)s AND generation = %(generation)s AND stream = %(stream)s
 ORDER BY position
