-- Give facts their positions, from the first free one on, in the order of the arrays.
INSERT INTO store.positions (position, stream, version, hash, topic, project_id)
SELECT %(first)s::bigint - 1 + ordinality, stream, version, hash, topic, project_id
  FROM unnest(%(streams)b::text[], %(versions)b::integer[], %(hashes)b::bytea[], %(topics)b::text[], %(project_ids)b::text[])
  WITH ORDINALITY AS fact (stream, version, hash, topic, project_id)
