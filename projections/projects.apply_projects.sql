-- Registered ones come whole; every other fact of the stream moves at least the version.
WITH said AS (
    SELECT *
      FROM unnest(%(project_id)b::text[], %(name)b::text[], %(domain)b::text[], %(default_currency)b::text[],
                  %(payment_types)b::text[], %(features)b::text[], %(overridden)b::text[],
                  %(registered_at)b::timestamptz[], %(updated_at)b::timestamptz[], %(version)b::int[],
                  %(position)b::bigint[])
           AS s (project_id, name, domain, default_currency, payment_types, features, overridden, registered_at,
                 updated_at, version, position)
), begun AS (
    INSERT INTO {schema}.projects (project_id, name, domain, default_currency, payment_types, features, overridden,
                                   registered_at, updated_at, version, position)
    SELECT project_id, name, domain, default_currency, payment_types::jsonb, features::jsonb, overridden::jsonb,
           registered_at, updated_at, version, position
      FROM said
     WHERE registered_at IS NOT NULL
     ORDER BY project_id
        ON CONFLICT (project_id) DO NOTHING
)
UPDATE {schema}.projects p
   SET name = coalesce(said.name, p.name),
       domain = coalesce(said.domain, p.domain),
       default_currency = coalesce(said.default_currency, p.default_currency),
       payment_types = coalesce(said.payment_types::jsonb, p.payment_types),
       features = coalesce(said.features::jsonb, p.features),
       overridden = coalesce(said.overridden::jsonb, p.overridden),
       updated_at = said.updated_at,
       version = said.version,
       position = said.position
  FROM said
 WHERE p.project_id = said.project_id AND p.version < said.version
