-- What gateways told us and what we asked of them. Owned by commands/notices.py and commands/payments.py.

CREATE SCHEMA gateway;

-- Every webhook, sealed as it came, before its 200. Applied when its command stands in the inbox; swept until then.
CREATE TABLE gateway.notices (
    account      text        NOT NULL,
    livemode     boolean     NOT NULL,
    event_id     text        NOT NULL,
    gateway      text        NOT NULL,
    command_id   uuid        NOT NULL UNIQUE,
    event_type   text        NOT NULL,
    api_version  text        NOT NULL,
    created_at   timestamptz NOT NULL,
    received_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    owner        text        NOT NULL,
    sealed       bytea       NOT NULL,
    applied_at   timestamptz,
    outcome      text,
    attempts     integer     NOT NULL DEFAULT 0,
    due_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account, livemode, event_id)
);
CREATE INDEX notices_to_apply ON gateway.notices (due_at) WHERE applied_at IS NULL;

-- Every payment that is still open at a gateway: the exact request that opens its checkout, sealed, and when to ask next.
CREATE TABLE gateway.requests (
    payment_id      text        PRIMARY KEY,
    project_id      text        NOT NULL,
    gateway         text        NOT NULL,
    command_id      uuid        NOT NULL,
    fingerprint     bytea       NOT NULL,
    request_id      text        NOT NULL,
    idempotency_key text        NOT NULL,
    owner           text        NOT NULL,
    sealed          bytea       NOT NULL,
    created_at      timestamptz NOT NULL,
    attempts        integer     NOT NULL DEFAULT 0,
    due_at          timestamptz NOT NULL,
    closed_at       timestamptz
);
CREATE INDEX requests_still_open ON gateway.requests (due_at) WHERE closed_at IS NULL;
