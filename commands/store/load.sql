-- What a decision needs, in one round trip and one snapshot: the command's own row, if it was recorded before (the
-- one row without a stream), or else the facts of these streams in order.
WITH command AS (
    SELECT fingerprint, answer, refusal, versions FROM store.inbox WHERE command_id = %(command_id)b::uuid
)
SELECT NULL AS stream, NULL AS version, NULL AS payload, fingerprint, answer, refusal, versions
  FROM command
UNION ALL
SELECT stream, version, payload, NULL, NULL, NULL, NULL
  FROM store.events
 WHERE stream = ANY (%(streams)b::text[]) AND NOT EXISTS (SELECT FROM command)
 ORDER BY stream, version
