-- Raises the epoch of checkpoints, or makes them. One that a batch is moving just now is waited for.
INSERT INTO read.checkpoints AS c (read_model, generation, topic, partition, next_offset, last_position)
SELECT read_model, generation, topic, partition, 0, 0
  FROM unnest(%(read_model)s::text[], %(generation)s::int[], %(topic)s::text[], %(partition)s::int[])
       AS wanted (read_model, generation, topic, partition)
 ORDER BY read_model, generation, topic, partition
    ON CONFLICT (read_model, generation, topic, partition) DO UPDATE SET epoch = c.epoch + 1
RETURNING read_model, generation, topic, partition, next_offset, last_position, epoch
