-- Opened ones come whole; of others each fact says how they stand, and only their end what it took.
WITH said AS (
    SELECT * FROM {said}
), begun AS (
    INSERT INTO {schema}.disputes ({columns})
    SELECT {columns} FROM said WHERE opened_at IS NOT NULL ORDER BY payment_id, dispute_id
        ON CONFLICT (payment_id, dispute_id) DO NOTHING
)
UPDATE {schema}.disputes d
   SET status = said.status,
       amount_minor = said.amount_minor,
       currency = said.currency,
       refundable = said.refundable,
       evidence_due_by = said.evidence_due_by,
       credits_revoked = coalesce(said.credits_revoked, d.credits_revoked),
       credits_shortfall = coalesce(said.credits_shortfall, d.credits_shortfall),
       updated_at = said.updated_at,
       version = said.version,
       position = said.position
  FROM said
 WHERE d.payment_id = said.payment_id AND d.dispute_id = said.dispute_id AND d.version < said.version
