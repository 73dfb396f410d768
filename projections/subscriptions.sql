-- One row per subscription, as its last fact has it.
CREATE TABLE subscriptions (
    subscription_id         text        PRIMARY KEY,
    project_id              text        NOT NULL,
    user_id                 text        NOT NULL,
    customer_id             text        NOT NULL,
    payment_id              text        NOT NULL, -- of the checkout in which it began
    gateway                 text        NOT NULL,
    gateway_subscription_id text        NOT NULL,
    product_id              text        NOT NULL,
    price_id                text        NOT NULL,
    quantity                integer     NOT NULL,
    amount_minor            bigint      NOT NULL, -- For one period and all units.
    currency                text        NOT NULL,
    "interval"              text        NOT NULL,
    interval_count          integer     NOT NULL,
    status                  text        NOT NULL,
    current_period_start    timestamptz NOT NULL,
    current_period_end      timestamptz NOT NULL,
    trial_end               timestamptz,
    cancel_at               timestamptz,
    ended_at                timestamptz,
    end_reason              text,
    access_until            timestamptz,
    failed_attempts         integer     NOT NULL,
    next_attempt_at         timestamptz,
    action_required         boolean     NOT NULL, -- The newest unpaid invoice waits for the customer.
    further_price_ids       jsonb       NOT NULL, -- Of items beside the product.
    started_at              timestamptz NOT NULL,
    updated_at              timestamptz NOT NULL,
    version                 integer     NOT NULL,
    position                bigint      NOT NULL
);
CREATE INDEX subscriptions_by_user ON subscriptions (project_id, user_id, started_at DESC);
