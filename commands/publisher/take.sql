-- Take whole commands out of the outbox, those with the lowest ordinals, and all that is known of their facts. The facts
-- of one command are neighbours. (A left join: a row without its fact would otherwise vanish, and not fail.)
WITH oldest AS (SELECT command_id FROM store.outbox ORDER BY ordinal LIMIT %(limit)s),
     taken AS (DELETE FROM store.outbox
                WHERE command_id IN (SELECT command_id FROM oldest)
            RETURNING ordinal, command_id, stream, version)
SELECT e.event_id, e.type, e.topic, e.stream, e.version, e.recorded_at, e.project_id, e.actor, e.correlation_id,
       e.causation_id, e.payload
  FROM taken LEFT JOIN store.events e USING (stream, version)
 ORDER BY min(taken.ordinal) OVER (PARTITION BY taken.command_id), taken.ordinal
