-- Which commands append.sql may write, and what is to be said of the others. A unit (commands that share a stream) is
-- left out whole when one of its commands stands in the inbox already, or one of its streams has moved since.
seen AS (
    SELECT command.unit, i.command_id, i.fingerprint, i.answer, i.refusal, i.versions
      FROM command JOIN store.inbox i USING (command_id)
),
decided_on AS (
    SELECT command.unit, fact.stream, min(fact.version) - 1 AS version
      FROM fact JOIN command USING (command_id)
     GROUP BY command.unit, fact.stream
),
late AS (
    SELECT unit
      FROM decided_on d
     WHERE EXISTS (SELECT FROM store.events e WHERE e.stream = d.stream AND e.version = d.version + 1)
        OR d.version > 0
           AND NOT EXISTS (SELECT FROM store.events e WHERE e.stream = d.stream AND e.version = d.version)
),
accepted AS (
    SELECT * FROM command
     WHERE unit NOT IN (SELECT unit FROM seen) AND unit NOT IN (SELECT unit FROM late)
),
verdict AS (
    SELECT command_id,
           CASE WHEN accepted.unit IS NOT NULL THEN 'done'
                WHEN seen.unit IS NOT NULL THEN 'seen'
                WHEN command.unit IN (SELECT unit FROM late) THEN 'late'
                ELSE 'peer' END AS word,
           seen.fingerprint, seen.answer, seen.refusal, seen.versions
      FROM command
      LEFT JOIN accepted USING (command_id)
      LEFT JOIN seen USING (command_id)
)
