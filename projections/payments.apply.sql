-- What a batch says of its payments: new ones come whole, of others only what it speaks of.
WITH said AS (
    SELECT * FROM {said}
), begun AS (
    INSERT INTO {schema}.payments ({columns})
    SELECT {columns} FROM said WHERE created_at IS NOT NULL ORDER BY payment_id
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
       subscription_id = coalesce(said.subscription_id, p.subscription_id),
       failure_code = coalesce(said.failure_code, p.failure_code),
       decline_code = coalesce(said.decline_code, p.decline_code),
       refunded_minor = coalesce(said.refunded_minor, p.refunded_minor),
       reserved_minor = coalesce(said.reserved_minor, p.reserved_minor),
       dispute_status = coalesce(said.dispute_status, p.dispute_status),
       lost_minor = coalesce(said.lost_minor, p.lost_minor),
       updated_at = said.updated_at,
       version = said.version,
       position = said.position
  FROM said
 WHERE p.payment_id = said.payment_id AND p.version < said.version
