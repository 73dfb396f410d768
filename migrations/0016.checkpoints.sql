-- Signed checkpoints of the log. Owned by commands/publisher.

-- The last one of each set of topics: from it the next one is counted on. `partitions`: what it was counted for.
CREATE TABLE store.checkpoints (
    prefix     text        PRIMARY KEY,
    partitions integer     NOT NULL,
    position   bigint      NOT NULL,
    jws        text        NOT NULL,
    made_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The public half of every key that ever signed one, by its thumbprint (RFC 7638).
CREATE TABLE store.signing_keys (
    kid           text        PRIMARY KEY,
    public_key    bytea       NOT NULL CHECK (octet_length(public_key) = 32),
    first_used_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
