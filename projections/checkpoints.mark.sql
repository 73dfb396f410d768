UPDATE read.checkpoints c
   SET suspect_to = m.suspect_to,
       attempts = CASE WHEN NOT %(alone)s THEN 0 WHEN c.suspect_to = m.suspect_to THEN c.attempts + 1 ELSE 1 END
  FROM unnest(%(read_model)s::text[], %(generation)s::int[], %(topic)s::text[], %(partition)s::int[], %(epoch)s::bigint[],
              %(suspect_to)s::bigint[])
       AS m (read_model, generation, topic, partition, epoch, suspect_to)
 WHERE c.read_model = m.read_model AND c.generation = m.generation AND c.topic = m.topic
   AND c.partition = m.partition AND c.epoch = m.epoch
