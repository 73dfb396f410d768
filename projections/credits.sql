-- One row per wallet: the credits of one type that one customer of one project holds.
CREATE TABLE wallets (
    wallet_id   text        PRIMARY KEY,
    project_id  text        NOT NULL,
    user_id     text        NOT NULL,
    credit_type text        NOT NULL,
    balance     bigint      NOT NULL, -- Below zero only where a revocation left a debt.
    held        bigint      NOT NULL,
    frozen      boolean,              -- NULL: it never was.
    updated_at  timestamptz NOT NULL,
    version     integer     NOT NULL,
    position    bigint      NOT NULL
);
CREATE INDEX wallets_by_user ON wallets (project_id, user_id, credit_type);
CREATE INDEX wallets_by_type ON wallets (project_id, credit_type) INCLUDE (balance, held);

-- What came into a wallet at once, and what is left of it. `version` is the wallet's when that last changed.
CREATE TABLE grants (
    wallet_id  text        NOT NULL,
    entry_id   text        NOT NULL,
    kind       text        NOT NULL,
    amount     bigint      NOT NULL,
    remaining  bigint      NOT NULL,
    priority   integer     NOT NULL,
    expires_at timestamptz,
    payment_id text,
    granted_at timestamptz NOT NULL,
    version    integer     NOT NULL,
    position   bigint      NOT NULL,
    PRIMARY KEY (wallet_id, entry_id)
);
CREATE INDEX grants_that_expire ON grants (wallet_id, expires_at) WHERE remaining > 0 AND expires_at IS NOT NULL;

-- The ledger: everything that ever happened to a wallet, with the balance after it.
CREATE TABLE entries (
    wallet_id   text        NOT NULL,
    version     integer     NOT NULL,
    entry_id    text        NOT NULL,
    kind        text        NOT NULL,
    amount      bigint      NOT NULL,
    balance     bigint      NOT NULL,
    held        bigint      NOT NULL,
    portions    jsonb       NOT NULL, -- [{entry_id, amount, remaining}]: of which grants.
    details     jsonb       NOT NULL, -- What else the fact says, by its own names.
    recorded_at timestamptz NOT NULL,
    position    bigint      NOT NULL,
    PRIMARY KEY (wallet_id, position)
);
