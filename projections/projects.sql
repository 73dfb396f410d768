CREATE TABLE projects (
    project_id        text        PRIMARY KEY,
    name              text        NOT NULL,
    domain            text        NOT NULL,
    default_currency  text        NOT NULL,
    payment_types     jsonb       NOT NULL, -- Lists are kept as JSON: an array of arrays could not be unnested.
    features          jsonb       NOT NULL,
    overridden        jsonb       NOT NULL,
    clawback          text        NOT NULL, -- What happens to spent credits whose money goes back.
    grace_period_days integer     NOT NULL,
    registered_at     timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    version           integer     NOT NULL,
    position          bigint      NOT NULL
);

CREATE TABLE products (
    project_id     text    NOT NULL,
    product_id     text    NOT NULL,
    name           text    NOT NULL,
    product_type   text    NOT NULL,
    price_id       text    NOT NULL,
    amount_minor   bigint  NOT NULL,
    currency       text    NOT NULL,
    "interval"     text,
    interval_count integer NOT NULL,
    trial_days     integer NOT NULL,
    recurring      boolean NOT NULL,
    credits        bigint  NOT NULL,
    credit_type    text    NOT NULL,
    permissions    jsonb   NOT NULL,
    version        integer NOT NULL,
    position       bigint  NOT NULL,
    PRIMARY KEY (project_id, product_id)
);

-- Keys by their ids and last letters. What opens the API, or could be tried against it, stands here in no form.
CREATE TABLE keys (
    project_id    text        NOT NULL,
    key_id        text        NOT NULL,
    kind          text        NOT NULL,
    hint          text        NOT NULL,
    issued_at     timestamptz NOT NULL,
    revoked_at    timestamptz,
    revoke_reason text,
    version       integer     NOT NULL,
    position      bigint      NOT NULL,
    PRIMARY KEY (project_id, key_id)
);
