-- Registered ones come whole; every other fact of the stream moves at least the version.
WITH said AS (
    SELECT * FROM {said}
), begun AS (
    INSERT INTO {schema}.projects ({columns})
    SELECT {columns} FROM said WHERE registered_at IS NOT NULL ORDER BY project_id
        ON CONFLICT (project_id) DO NOTHING
)
UPDATE {schema}.projects p
   SET name = coalesce(said.name, p.name),
       domain = coalesce(said.domain, p.domain),
       default_currency = coalesce(said.default_currency, p.default_currency),
       payment_types = coalesce(said.payment_types, p.payment_types),
       features = coalesce(said.features, p.features),
       overridden = coalesce(said.overridden, p.overridden),
       clawback = coalesce(said.clawback, p.clawback),
       grace_period_days = coalesce(said.grace_period_days, p.grace_period_days),
       updated_at = said.updated_at,
       version = said.version,
       position = said.position
  FROM said
 WHERE p.project_id = said.project_id AND p.version < said.version
