-- What decisions need, in one round trip and one snapshot: the rows of those commands that were recorded before (rows
-- without a stream), and each stream's facts after the version that is known already, in order. The fact at that version
-- comes along without its bytes: its id shows whether what is known is still so.
SELECT NULL AS stream, NULL AS version, NULL AS event_id, NULL AS payload,
       command_id, fingerprint, answer, refusal, versions
  FROM store.inbox
 WHERE command_id = ANY (%(command_ids)b::uuid[])
UNION ALL
SELECT e.stream, e.version, e.event_id, CASE WHEN e.version > known.version THEN e.payload END,
       NULL, NULL, NULL, NULL, NULL
  FROM unnest(%(streams)b::text[], %(versions)b::int4[]) AS known (stream, version)
  JOIN store.events e ON e.stream = known.stream AND e.version >= known.version
 ORDER BY stream, version
