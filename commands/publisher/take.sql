-- Take whole commands out of the outbox, those with the lowest ordinals, and all that is known of their facts, written as
-- hash and headers have it (eventlog/numbered.sql). The facts of one command are neighbours. (A left join: a row without
-- its fact would otherwise vanish, and not fail.)
--
-- The plan is made once, perhaps while the tables are empty, and must serve a backlog too: an array of commands and OFFSET 0
-- leave nothing but look-ups by key.
WITH taken AS (DELETE FROM store.outbox
                WHERE command_id = ANY (ARRAY (SELECT command_id FROM store.outbox ORDER BY ordinal LIMIT %(limit)s))
            RETURNING ordinal, command_id, stream, version)
SELECT e.topic, e.stream, e.event_id::text, e.type, e.version::text,
       to_char(e.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
       e.project_id, e.correlation_id, e.causation_id, e.payload
  FROM taken
  LEFT JOIN LATERAL (SELECT * FROM store.events e WHERE (e.stream, e.version) = (taken.stream, taken.version) OFFSET 0) e ON true
 ORDER BY min(taken.ordinal) OVER (PARTITION BY taken.command_id), taken.ordinal
