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

-- Moves checkpoints on, or raises where one does not stand as its mover left it: somebody else moved or removed it since.
-- The server must say so itself, for the statements of a batch travel together and nobody waits for a row count.
CREATE FUNCTION read.advance(
    read_models text[], generations integer[], topics text[], partitions integer[], epochs bigint[],
    offsets_before bigint[], positions_before bigint[], offsets_after bigint[], positions_after bigint[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    moved integer;
BEGIN
    UPDATE read.checkpoints c
       SET next_offset = m.offset_after, last_position = m.position_after, updated_at = clock_timestamp()
      FROM unnest(read_models, generations, topics, partitions, epochs,
                  offsets_before, positions_before, offsets_after, positions_after)
           AS m (read_model, generation, topic, partition, epoch,
                 offset_before, position_before, offset_after, position_after)
     WHERE c.read_model = m.read_model AND c.generation = m.generation AND c.topic = m.topic AND c.partition = m.partition
       AND c.epoch = m.epoch AND c.next_offset = m.offset_before AND c.last_position = m.position_before;
    GET DIAGNOSTICS moved = ROW_COUNT;
    IF moved <> cardinality(read_models) THEN
        RAISE EXCEPTION '% of % checkpoints were moved by somebody else', cardinality(read_models) - moved, cardinality(read_models)
            USING ERRCODE = 'TS001';
    END IF;
END $$;
