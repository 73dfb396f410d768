INSERT INTO {schema}.products AS p ({columns})
SELECT {columns} FROM {said}
    ON CONFLICT (project_id, product_id) DO UPDATE
   SET name = excluded.name, product_type = excluded.product_type, price_id = excluded.price_id,
       amount_minor = excluded.amount_minor, currency = excluded.currency, "interval" = excluded."interval",
       interval_count = excluded.interval_count, trial_days = excluded.trial_days,
       recurring = excluded.recurring, credits = excluded.credits, credit_type = excluded.credit_type,
       permissions = excluded.permissions, version = excluded.version, position = excluded.position
 WHERE p.version < excluded.version
