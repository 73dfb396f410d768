-- Replays: what built a generation, so that the work of one that was killed is taken up again, and every switch there was.
-- `refused`: differed from the live one, and stays to be looked at. `kept`: the read model as of a position, never switched to.
ALTER TABLE read.generations
    DROP CONSTRAINT generations_state_check,
    ADD CONSTRAINT generations_state_check CHECK (state IN ('building', 'refused', 'kept', 'live', 'following')),
    ADD COLUMN built_by text NOT NULL DEFAULT '', -- A digest of the code that folds: half of one code's work is nothing to another.
    ADD COLUMN as_of bigint;

-- Which generation answered since when, which one it replaced, and why differences did not matter, where there were any.
CREATE TABLE read.switches (
    id              bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    switched_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    read_model      text        NOT NULL,
    from_generation integer,
    to_generation   integer     NOT NULL,
    reason          text        NOT NULL
);
