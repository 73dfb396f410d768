-- Those that began come whole; of others a batch knows how they stand now.
WITH said AS (
    SELECT * FROM {said}
), begun AS (
    INSERT INTO {schema}.subscriptions ({columns})
    SELECT {columns} FROM said WHERE started_at IS NOT NULL ORDER BY subscription_id
        ON CONFLICT (subscription_id) DO NOTHING
)
UPDATE {schema}.subscriptions s
   SET product_id = said.product_id, price_id = said.price_id, quantity = said.quantity, amount_minor = said.amount_minor,
       currency = said.currency, "interval" = said."interval", interval_count = said.interval_count, status = said.status,
       current_period_start = said.current_period_start, current_period_end = said.current_period_end,
       trial_end = said.trial_end, cancel_at = said.cancel_at, ended_at = said.ended_at, end_reason = said.end_reason,
       access_until = said.access_until, failed_attempts = said.failed_attempts, next_attempt_at = said.next_attempt_at,
       updated_at = said.updated_at, version = said.version, position = said.position
  FROM said
 WHERE s.subscription_id = said.subscription_id AND s.version < said.version
