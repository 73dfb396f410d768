-- What decisions need, in one round trip and one snapshot: the rows of those commands that were recorded before (rows
-- without a stream), and the facts of these streams, each stream's in order.
SELECT NULL AS stream, NULL AS version, NULL AS payload, command_id, fingerprint, answer, refusal, versions
  FROM store.inbox
 WHERE command_id = ANY (%(command_ids)b::uuid[])
UNION ALL
SELECT stream, version, payload, NULL, NULL, NULL, NULL, NULL
  FROM store.events
 WHERE stream = ANY (%(streams)b::text[])
 ORDER BY stream, version
