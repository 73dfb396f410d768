-- Facts with what the stream said before them: for each of their fields the last earlier value of the same part, and the
-- types of a payment's earlier facts, which tell its status. A wallet's stream may be long: each field is looked for
-- backwards, and found in the nearest fact that has it.
SELECT f.position, f.event_id, f.type, f.stream, f.version, f.project_id, f.actor, f.correlation_id, f.causation_id,
       f.recorded_at, f.data, f.hash,
       (SELECT jsonb_object_agg(field, earlier.value)
          FROM jsonb_object_keys(f.data) AS field,
               LATERAL (SELECT e.data -> field AS value
                          FROM {schema}.facts e
                         WHERE e.stream = f.stream AND e.version < f.version AND e.part = f.part AND e.data ? field
                         ORDER BY e.version DESC
                         LIMIT 1) AS earlier) AS earlier_data,
       CASE WHEN f.type LIKE 'payment.%%' THEN
            ARRAY(SELECT e.type FROM {schema}.facts e WHERE e.stream = f.stream AND e.version < f.version ORDER BY e.version)
       END AS earlier_types
  FROM ({facts}) AS f
 ORDER BY f.position
