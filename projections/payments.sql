-- One row per payment, in the order in which a project sees them.
CREATE TABLE payments (
    payment_id              text        PRIMARY KEY,
    project_id              text        NOT NULL,
    user_id                 text        NOT NULL,
    customer_id             text        NOT NULL,
    product_id              text        NOT NULL,
    product_type            text        NOT NULL,
    price_id                text        NOT NULL,
    quantity                integer     NOT NULL,
    payment_type            text        NOT NULL,
    gateway                 text        NOT NULL,
    status                  text        NOT NULL,
    status_rank             smallint    NOT NULL, -- How far along: a status of lower rank never replaces a higher one.
    amount_minor            bigint      NOT NULL, -- What the gateway took, once it did; until then what is expected.
    currency                text        NOT NULL,
    amount_differs          boolean     NOT NULL,
    credits                 bigint      NOT NULL,
    credit_type             text        NOT NULL,
    metadata                jsonb       NOT NULL,
    checkout_id             text,
    expires_at              timestamptz,
    gateway_payment_id      text,
    gateway_subscription_id text,
    subscription_id         text,                 -- What it began, or one of whose invoices it pays.
    failure_code            text,                 -- Why it failed, where it did.
    decline_code            text,                 -- Why the last attempt on the open page was declined.
    refunded_minor          bigint      NOT NULL, -- What has gone back in refunds.
    reserved_minor          bigint      NOT NULL, -- What is set aside for refunds under way.
    dispute_status          text,                 -- That of its most pressing dispute.
    lost_minor              bigint      NOT NULL, -- What banks have taken back for good.
    created_at              timestamptz NOT NULL,
    updated_at              timestamptz NOT NULL,
    version                 integer     NOT NULL,
    position                bigint      NOT NULL
);
CREATE INDEX payments_by_project ON payments (project_id, created_at DESC, payment_id DESC);
CREATE INDEX payments_by_user ON payments (project_id, user_id, created_at DESC, payment_id DESC);
CREATE INDEX payments_by_status ON payments (project_id, status, created_at DESC, payment_id DESC);
CREATE INDEX payments_by_product ON payments (project_id, product_id, created_at DESC, payment_id DESC);
CREATE INDEX payments_by_subscription ON payments (project_id, subscription_id, created_at DESC, payment_id DESC)
    WHERE subscription_id IS NOT NULL;
