-- Makes commands on these streams wait for each other until the transaction ends. In one order for everybody, so that
-- nobody waits in a circle. Run as a statement of its own: what is read after it sees what the last holder wrote.
SELECT pg_advisory_xact_lock(key)
  FROM (SELECT DISTINCT hashtextextended(stream, 0) AS key FROM unnest(%(streams)b::text[]) AS s (stream) ORDER BY key) AS keys
