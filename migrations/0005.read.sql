-- The read side's bookkeeping. A read model's own tables are a .sql beside its module, made by replay, never altered.

CREATE SCHEMA read;

-- Every set of tables that a read model has: `payments_7` is generation 7 of `payments`, in a schema of that name.
CREATE TABLE read.generations (
    read_model text        NOT NULL,
    generation integer     NOT NULL CHECK (generation > 0),
    state      text        NOT NULL CHECK (state IN ('building', 'live', 'following')),
    source     text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    switched_at timestamptz,
    PRIMARY KEY (read_model, generation)
);
CREATE UNIQUE INDEX one_live_generation ON read.generations (read_model) WHERE state = 'live';

-- How far a generation has come in each source; offset, position and epoch are compared and set in the batch's transaction.
CREATE TABLE read.checkpoints (
    read_model    text   NOT NULL,
    generation    integer NOT NULL,
    topic         text   NOT NULL,
    partition     integer NOT NULL,
    next_offset   bigint NOT NULL,
    last_position bigint NOT NULL,
    epoch         bigint NOT NULL DEFAULT 0,
    updated_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (read_model, generation, topic, partition),
    FOREIGN KEY (read_model, generation) REFERENCES read.generations ON DELETE CASCADE
);
