-- Take whole commands out of the outbox, those with the lowest ordinals, and all that is known of their facts, written as
-- hash and headers have it (eventlog/numbered.sql). The facts of one command are neighbours. (A left join: a row without
-- its fact would otherwise vanish, and not fail. An array of commands, not a join with them: each is looked up by its key,
-- however small Postgres believes the outbox to be.)
WITH taken AS (DELETE FROM store.outbox
                WHERE command_id = ANY (ARRAY (SELECT command_id FROM store.outbox ORDER BY ordinal LIMIT %(limit)s))
            RETURNING ordinal, command_id, stream, version)
SELECT e.topic, e.stream, e.event_id::text, e.type, e.version::text,
       to_char(e.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
       e.project_id, e.correlation_id, e.causation_id, e.payload
  FROM taken LEFT JOIN store.events e USING (stream, version)
 ORDER BY min(taken.ordinal) OVER (PARTITION BY taken.command_id), taken.ordinal
