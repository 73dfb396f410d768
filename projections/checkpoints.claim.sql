-- Raises the epoch of checkpoints, or makes them. One that a batch is moving just now is waited for. Whoever had one in hand
-- and did not release it is taken to have died.
WITH wanted AS (
    SELECT *
      FROM unnest(%(read_model)s::text[], %(generation)s::int[], %(topic)s::text[], %(partition)s::int[])
           AS wanted (read_model, generation, topic, partition)
), claimed AS (
    INSERT INTO read.checkpoints AS c (read_model, generation, topic, partition, next_offset, last_position, in_hand)
    SELECT read_model, generation, topic, partition, 0, 0, true
      FROM wanted
     ORDER BY read_model, generation, topic, partition
        ON CONFLICT (read_model, generation, topic, partition) DO UPDATE SET epoch = c.epoch + 1, in_hand = true
    RETURNING *
)
SELECT read_model, generation, topic, partition, claimed.next_offset, claimed.last_position, claimed.epoch,
       claimed.suspect_to, claimed.attempts, coalesce(before.in_hand, false)
  FROM claimed
  LEFT JOIN read.checkpoints before USING (read_model, generation, topic, partition)
