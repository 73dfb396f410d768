-- Not only checkouts stay open at a gateway: refunds, disputes and what else is asked after until its outcome is known.
-- (kind, id) names each; what somebody else began there has no request of ours to send again.

ALTER TABLE gateway.requests RENAME COLUMN payment_id TO id;
ALTER TABLE gateway.requests
    ADD COLUMN kind   text NOT NULL DEFAULT 'checkout',
    ADD COLUMN stream text;
UPDATE gateway.requests SET stream = id;
ALTER TABLE gateway.requests
    ALTER COLUMN kind DROP DEFAULT,
    ALTER COLUMN stream SET NOT NULL,
    ALTER COLUMN idempotency_key DROP NOT NULL,
    ALTER COLUMN owner DROP NOT NULL,
    ALTER COLUMN sealed DROP NOT NULL,
    DROP CONSTRAINT requests_pkey,
    ADD PRIMARY KEY (kind, id),
    ADD CONSTRAINT requests_ours_or_not CHECK ((sealed IS NULL) = (owner IS NULL) AND (sealed IS NULL) = (idempotency_key IS NULL));
