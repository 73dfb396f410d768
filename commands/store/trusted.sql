-- Which commands append.sql may write where they were decided on streams as they were last seen, without asking the log
-- before. A unit (commands that share a stream) is left out whole when one of its commands stands in the inbox already,
-- or one of the streams that it was decided on is not at that version, by that very fact. Says so of those left out alone.
-- So is one that comes back to a stream at once while others queue up for it (locking.sql): this statement is the quickest
-- way there is, and would else be before them every time.
-- Each row is looked up by its key, however the planner guesses: a table that was empty a moment ago may be large by now.
seen AS (
    SELECT command.unit, i.*
      FROM command
     CROSS JOIN LATERAL (
           SELECT i.command_id, i.fingerprint, i.answer, i.refusal, i.versions
             FROM store.inbox i WHERE i.command_id = command.command_id OFFSET 0
     ) AS i
),
held AS (
    SELECT o.unit, 'late' AS word
      FROM unnest(%(on_unit)b::int4[], %(on_stream)b::text[], %(on_version)b::int4[], %(on_event_id)b::uuid[])
        AS o (unit, stream, version, event_id)
     WHERE ARRAY(SELECT e.event_id FROM store.events e
                  WHERE e.stream = o.stream AND e.version >= o.version ORDER BY e.version LIMIT 2)
        <> array_remove(ARRAY[o.event_id], NULL)
     UNION ALL
    SELECT a.unit, 'queued'
      FROM unnest(%(again_unit)b::int4[], %(again_stream)b::text[]) AS a (unit, stream)
     WHERE NOT pg_try_advisory_xact_lock_shared(hashtextextended(a.stream, 0))
     UNION ALL
    SELECT unit, 'peer' FROM seen
),
accepted AS (
    SELECT * FROM command WHERE unit NOT IN (SELECT unit FROM held)
),
-- Of several reasons for a unit the one that comes last by its letters: that others queue up for it is what has to be known.
verdict AS (
    SELECT command_id, CASE WHEN s.unit IS NULL THEN h.word ELSE 'seen' END AS word,
           s.fingerprint, s.answer, s.refusal, s.versions
      FROM command
      JOIN (SELECT unit, max(word) AS word FROM held GROUP BY unit) AS h USING (unit)
      LEFT JOIN seen AS s USING (command_id)
)
