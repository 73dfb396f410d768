-- What decisions need, in one round trip and one snapshot of the database: the rows of those commands that were recorded
-- before (rows without a stream), the snapshots of streams that are further on than what is known of them (rows without an
-- event's id), and each stream's facts after the version that is known by then, in order. The fact at that version comes
-- along without its bytes: its id shows whether what is known is still so.
WITH known AS (
    SELECT k.stream, greatest(k.version, s.version) AS version, s.state
      FROM unnest(%(streams)b::text[], %(versions)b::int4[]) AS k (stream, version)
      LEFT JOIN store.snapshots s ON s.stream = k.stream AND s.version > k.version AND s.fold_version = %(fold_version)b
)
SELECT NULL::text AS stream, NULL::int4 AS version, NULL::uuid AS event_id, NULL::bytea AS payload,
       command_id, fingerprint, answer, refusal, versions
  FROM store.inbox
 WHERE command_id = ANY (%(command_ids)b::uuid[])
UNION ALL
SELECT stream, version, NULL, state, NULL, NULL, NULL, NULL, NULL FROM known WHERE state IS NOT NULL
UNION ALL
SELECT e.stream, e.version, e.event_id, CASE WHEN e.version > known.version THEN e.payload END,
       NULL, NULL, NULL, NULL, NULL
  FROM known
  JOIN store.events e ON e.stream = known.stream AND e.version >= known.version
 ORDER BY stream, version, event_id NULLS FIRST
