SELECT read_model, generation, stream, project_id, event_id, position, error, tries, parked_at,
       (SELECT count(*) FROM read.parked_facts f
         WHERE f.read_model = k.read_model AND f.generation = k.generation AND f.stream = k.stream) AS waiting
  FROM read.parked_keys k
 WHERE read_model = ANY (%s)
 ORDER BY parked_at, read_model, generation, stream
