INSERT INTO {schema}.products AS p (project_id, product_id, name, product_type, price_id, amount_minor, currency, "interval",
                                    recurring, credits, credit_type, permissions, version, position)
SELECT project_id, product_id, name, product_type, price_id, amount_minor, currency, "interval", recurring, credits,
       credit_type, permissions::jsonb, version, position
  FROM unnest(%(project_id)b::text[], %(product_id)b::text[], %(name)b::text[], %(product_type)b::text[],
              %(price_id)b::text[], %(amount_minor)b::bigint[], %(currency)b::text[], %(interval)b::text[],
              %(recurring)b::boolean[], %(credits)b::bigint[], %(credit_type)b::text[], %(permissions)b::text[],
              %(version)b::int[], %(position)b::bigint[])
       AS s (project_id, product_id, name, product_type, price_id, amount_minor, currency, "interval", recurring, credits,
             credit_type, permissions, version, position)
    ON CONFLICT (project_id, product_id) DO UPDATE
   SET name = excluded.name, product_type = excluded.product_type, price_id = excluded.price_id,
       amount_minor = excluded.amount_minor, currency = excluded.currency, "interval" = excluded."interval",
       recurring = excluded.recurring, credits = excluded.credits, credit_type = excluded.credit_type,
       permissions = excluded.permissions, version = excluded.version, position = excluded.position
 WHERE p.version < excluded.version
