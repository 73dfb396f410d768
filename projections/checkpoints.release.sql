-- What was suspect when it was claimed, and is not passed yet, stays so.
UPDATE read.checkpoints c
   SET in_hand = false, suspect_to = ours.suspect_to, attempts = ours.attempts
  FROM unnest(%(read_model)s::text[], %(generation)s::int[], %(topic)s::text[], %(partition)s::int[], %(epoch)s::bigint[],
              %(suspect_to)s::bigint[], %(attempts)s::int[])
       AS ours (read_model, generation, topic, partition, epoch, suspect_to, attempts)
 WHERE c.read_model = ours.read_model AND c.generation = ours.generation AND c.topic = ours.topic
   AND c.partition = ours.partition AND c.epoch = ours.epoch
