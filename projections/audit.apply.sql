INSERT INTO {schema}.facts (position, event_id, type, stream, version, part, project_id, actor, correlation_id, causation_id,
                            recorded_at, data, hash)
SELECT position, event_id, type, stream, version, part, project_id, actor, correlation_id, causation_id, recorded_at,
       data::jsonb, hash
  FROM unnest(%(position)b::bigint[], %(event_id)b::uuid[], %(type)b::text[], %(stream)b::text[], %(version)b::int[],
              %(part)b::text[], %(project_id)b::text[], %(actor)b::text[], %(correlation_id)b::text[],
              %(causation_id)b::text[], %(recorded_at)b::timestamptz[], %(data)b::text[], %(hash)b::bytea[])
       AS s (position, event_id, type, stream, version, part, project_id, actor, correlation_id, causation_id, recorded_at,
             data, hash)
    ON CONFLICT (position) DO NOTHING
