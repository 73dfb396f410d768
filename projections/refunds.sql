
-- One row per refund of a payment, ours or made at the gateway; among the tables of the payments read model.
CREATE TABLE refunds (
    payment_id        text        NOT NULL,
    refund_id         text        NOT NULL,
    gateway_refund_id text,
    status            text        NOT NULL,
    amount_minor      bigint      NOT NULL,
    currency          text        NOT NULL,
    reason            text,                 -- Whoever said one first.
    failure_code      text,
    credits_revoked   bigint      NOT NULL,
    credits_shortfall bigint      NOT NULL,
    clawback          text,                 -- The policy by which credits were taken, while they are.
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    version           integer     NOT NULL, -- Of the payment's stream.
    position          bigint      NOT NULL,
    PRIMARY KEY (payment_id, refund_id)
);
