-- One row per wallet: the credits of one type that one customer of one project holds.
CREATE TABLE wallets (
    wallet_id   text        PRIMARY KEY,
    project_id  text        NOT NULL,
    user_id     text        NOT NULL,
    credit_type text        NOT NULL,
    balance     bigint      NOT NULL,
    updated_at  timestamptz NOT NULL,
    version     integer     NOT NULL,
    position    bigint      NOT NULL
);
CREATE INDEX wallets_by_user ON wallets (project_id, user_id, credit_type);
CREATE INDEX wallets_by_type ON wallets (project_id, credit_type) INCLUDE (balance);

-- The ledger: everything that ever came into a wallet or left it, with the balance after it.
CREATE TABLE entries (
    wallet_id   text        NOT NULL,
    version     integer     NOT NULL,
    entry_id    text        NOT NULL,
    kind        text        NOT NULL,
    amount      bigint      NOT NULL,
    balance     bigint      NOT NULL,
    payment_id  text,
    product_id  text,
    recorded_at timestamptz NOT NULL,
    position    bigint      NOT NULL,
    PRIMARY KEY (wallet_id, version)
);
