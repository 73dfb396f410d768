-- What a batch says of its payments: new ones come whole, of others only what it speaks of.
WITH said AS (
    SELECT *
      FROM unnest(
               %(payment_id)b::text[], %(project_id)b::text[], %(user_id)b::text[], %(customer_id)b::text[],
               %(product_id)b::text[], %(product_type)b::text[], %(price_id)b::text[], %(quantity)b::int[],
               %(payment_type)b::text[], %(gateway)b::text[], %(status)b::text[], %(status_rank)b::smallint[],
               %(amount_minor)b::bigint[], %(currency)b::text[], %(amount_differs)b::boolean[], %(credits)b::bigint[],
               %(credit_type)b::text[], %(metadata)b::text[], %(checkout_id)b::text[], %(expires_at)b::timestamptz[],
               %(gateway_payment_id)b::text[], %(gateway_subscription_id)b::text[], %(failure_code)b::text[],
               %(decline_code)b::text[], %(created_at)b::timestamptz[], %(updated_at)b::timestamptz[],
               %(version)b::int[], %(position)b::bigint[])
           AS s (payment_id, project_id, user_id, customer_id, product_id, product_type, price_id, quantity,
                 payment_type, gateway, status, status_rank, amount_minor, currency, amount_differs, credits,
                 credit_type, metadata, checkout_id, expires_at, gateway_payment_id, gateway_subscription_id, failure_code,
                 decline_code, created_at, updated_at, version, position)
), begun AS (
    INSERT INTO {schema}.payments
    SELECT payment_id, project_id, user_id, customer_id, product_id, product_type, price_id, quantity, payment_type, gateway,
           status, status_rank, amount_minor, currency, amount_differs, credits, credit_type, metadata::jsonb, checkout_id,
           expires_at, gateway_payment_id, gateway_subscription_id, failure_code, decline_code, created_at, updated_at,
           version, position
      FROM said
     WHERE created_at IS NOT NULL
     ORDER BY payment_id
        ON CONFLICT (payment_id) DO NOTHING
)
UPDATE {schema}.payments p
   SET status = CASE WHEN said.status_rank > p.status_rank THEN said.status ELSE p.status END,
       status_rank = greatest(said.status_rank, p.status_rank),
       amount_minor = coalesce(said.amount_minor, p.amount_minor),
       currency = coalesce(said.currency, p.currency),
       amount_differs = coalesce(said.amount_differs, p.amount_differs),
       checkout_id = coalesce(said.checkout_id, p.checkout_id),
       expires_at = coalesce(said.expires_at, p.expires_at),
       gateway_payment_id = coalesce(said.gateway_payment_id, p.gateway_payment_id),
       gateway_subscription_id = coalesce(said.gateway_subscription_id, p.gateway_subscription_id),
       failure_code = coalesce(said.failure_code, p.failure_code),
       decline_code = coalesce(said.decline_code, p.decline_code),
       updated_at = said.updated_at,
       version = said.version,
       position = said.position
  FROM said
 WHERE p.payment_id = said.payment_id AND p.version < said.version
