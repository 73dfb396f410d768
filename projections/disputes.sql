
-- One row per dispute of a payment; among the tables of the payments read model.
CREATE TABLE disputes (
    payment_id        text        NOT NULL,
    dispute_id        text        NOT NULL,
    status            text        NOT NULL,
    amount_minor      bigint      NOT NULL,
    currency          text        NOT NULL,
    reason            text        NOT NULL,
    refundable        boolean     NOT NULL,
    opened_at         timestamptz NOT NULL,
    evidence_due_by   timestamptz,
    credits_revoked   bigint      NOT NULL,
    credits_shortfall bigint      NOT NULL,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    version           integer     NOT NULL, -- Of the payment's stream.
    position          bigint      NOT NULL,
    PRIMARY KEY (payment_id, dispute_id)
);
