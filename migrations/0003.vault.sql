-- Personal data, sealed. Owned by vault; records are inserted by the store's append statement, as sealed bytes.

CREATE SCHEMA vault;

-- One data key per customer or project, wrapped by the master key. Shredding empties `wrapped`.
CREATE TABLE vault.data_keys (
    owner       text        PRIMARY KEY,
    wrapped     bytea,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    shredded_at timestamptz,
    CHECK ((wrapped IS NULL) = (shredded_at IS NOT NULL))
);

CREATE TABLE vault.records (
    owner       text        NOT NULL,
    kind        text        NOT NULL,
    id          text        NOT NULL,
    sealed      bytea       NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at  timestamptz,
    PRIMARY KEY (kind, id, owner)
);
CREATE INDEX records_by_owner ON vault.records (owner);
CREATE INDEX records_that_expire ON vault.records (expires_at) WHERE expires_at IS NOT NULL;
