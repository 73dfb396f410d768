-- Which commands append.sql may write where they were decided on streams as they were last seen, without asking the log
-- before. A unit (commands that share a stream) is left out whole when one of its commands stands in the inbox already,
-- or one of the streams that it was decided on is not at that version, by that very fact. Says so of those left out alone.
-- Each row is looked up by its key, however the planner guesses: a table that was empty a moment ago may be large by now.
seen AS (
    SELECT command.unit, i.*
      FROM command
     CROSS JOIN LATERAL (
           SELECT i.command_id, i.fingerprint, i.answer, i.refusal, i.versions
             FROM store.inbox i WHERE i.command_id = command.command_id OFFSET 0
     ) AS i
),
moved AS (
    SELECT o.unit
      FROM unnest(%(on_unit)b::int4[], %(on_stream)b::text[], %(on_version)b::int4[], %(on_event_id)b::uuid[])
        AS o (unit, stream, version, event_id)
     WHERE ARRAY(SELECT e.event_id FROM store.events e
                  WHERE e.stream = o.stream AND e.version >= o.version ORDER BY e.version LIMIT 2)
        <> CASE WHEN o.event_id IS NULL THEN '{}' ELSE ARRAY[o.event_id] END
),
accepted AS (
    SELECT * FROM command
     WHERE unit NOT IN (SELECT unit FROM seen) AND unit NOT IN (SELECT unit FROM moved)
),
verdict AS (
    SELECT command_id,
           CASE WHEN seen.unit IS NOT NULL THEN 'seen'
                WHEN command.unit IN (SELECT unit FROM moved) THEN 'late'
                ELSE 'peer' END AS word,
           seen.fingerprint, seen.answer, seen.refusal, seen.versions
      FROM command LEFT JOIN seen USING (command_id)
     WHERE command.unit IN (SELECT unit FROM seen) OR command.unit IN (SELECT unit FROM moved)
)
