-- One before the first position that a reader lacks, who has seen each source up to its last position; else the last.
SELECT coalesce(
           (SELECT min(p.position) - 1
              FROM store.positions p
              LEFT JOIN unnest(%(topic)s::text[], %(partition)s::int[], %(last_position)s::bigint[])
                        AS seen (topic, partition, last_position) USING (topic, partition)
             WHERE p.topic = ANY (%(topics)s) AND p.position > coalesce(seen.last_position, 0)),
           (SELECT max(position) FROM store.positions),
           0)
