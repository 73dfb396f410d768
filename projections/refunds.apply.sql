-- Each fact of a refund says all of it, but for what only the first said or only a later one knows.
INSERT INTO {schema}.refunds AS r ({columns})
SELECT {columns} FROM {said} ORDER BY payment_id, refund_id
    ON CONFLICT (payment_id, refund_id) DO UPDATE
   SET gateway_refund_id = coalesce(excluded.gateway_refund_id, r.gateway_refund_id),
       status = excluded.status,
       amount_minor = excluded.amount_minor,
       currency = excluded.currency,
       reason = coalesce(r.reason, excluded.reason),
       failure_code = excluded.failure_code,
       credits_revoked = excluded.credits_revoked,
       credits_shortfall = excluded.credits_shortfall,
       clawback = excluded.clawback,
       updated_at = excluded.updated_at,
       version = excluded.version,
       position = excluded.position
 WHERE r.version < excluded.version
