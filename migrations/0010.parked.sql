-- Parked keys: what cannot be applied to a generation waits here, with everything later of its stream, while the rest goes on.

-- A stream that stands still in one generation, and the fact at which it does.
CREATE TABLE read.parked_keys (
    read_model text        NOT NULL,
    generation integer     NOT NULL,
    stream     text        NOT NULL,
    project_id text        NOT NULL,
    event_id   uuid        NOT NULL,
    position   bigint      NOT NULL,
    error      text        NOT NULL,
    tries      integer     NOT NULL DEFAULT 1,
    parked_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (read_model, generation, stream),
    FOREIGN KEY (read_model, generation) REFERENCES read.generations ON DELETE CASCADE
);

-- That fact and the later ones of the stream, whole, so that they can be applied without reading the log again.
CREATE TABLE read.parked_facts (
    read_model     text        NOT NULL,
    generation     integer     NOT NULL,
    stream         text        NOT NULL,
    position       bigint      NOT NULL,
    event_id       uuid        NOT NULL,
    type           text        NOT NULL,
    topic          text        NOT NULL,
    version        integer     NOT NULL,
    recorded_at    timestamptz NOT NULL,
    project_id     text        NOT NULL,
    actor          text        NOT NULL,
    correlation_id text        NOT NULL,
    causation_id   text        NOT NULL,
    value          bytea       NOT NULL,
    previous_hash  bytea       NOT NULL,
    hash           bytea       NOT NULL,
    PRIMARY KEY (read_model, generation, stream, position),
    FOREIGN KEY (read_model, generation, stream) REFERENCES read.parked_keys ON DELETE CASCADE
);

-- Facts that a read model leaves out for ever, in every generation that there is and will be.
CREATE TABLE read.skips (
    read_model text        NOT NULL,
    event_id   uuid        NOT NULL,
    position   bigint      NOT NULL,
    stream     text        NOT NULL,
    skipped_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (read_model, event_id)
);
CREATE INDEX skips_by_position ON read.skips (read_model, position);

-- What operators did about parked keys: when, who, why, and what came of it.
CREATE TABLE read.parked_decisions (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    decided_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    decision   text        NOT NULL CHECK (decision IN ('retry', 'skip')),
    decided_by text        NOT NULL CHECK (decided_by <> ''),
    reason     text        NOT NULL,
    read_model text        NOT NULL,
    generation integer     NOT NULL,
    stream     text        NOT NULL,
    event_id   uuid        NOT NULL,
    position   bigint      NOT NULL,
    outcome    text        NOT NULL,
    CHECK (decision <> 'skip' OR reason <> '')
);

-- A fact may kill the process that folds it. `in_hand`: somebody keeps this checkpoint, or died while they did. `suspect_to`:
-- somebody who had reason to be wary is folding up to this position, or died of it. `attempts`: how often that was begun with
-- nothing else at the same time.
ALTER TABLE read.checkpoints
    ADD COLUMN in_hand    boolean NOT NULL DEFAULT false,
    ADD COLUMN suspect_to bigint  NOT NULL DEFAULT 0,
    ADD COLUMN attempts   integer NOT NULL DEFAULT 0;

-- As before, and besides it raises where something among what is passed now is parked or skipped, unless its caller has seen to that.
DROP FUNCTION read.advance(text[], integer[], text[], integer[], bigint[], bigint[], bigint[], bigint[], bigint[]);

CREATE FUNCTION read.advance(
    read_models text[], generations integer[], topics text[], partitions integer[], epochs bigint[],
    offsets_before bigint[], positions_before bigint[], offsets_after bigint[], positions_after bigint[],
    suspects_after bigint[], exceptions_are_made boolean
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    moved integer;
BEGIN
    UPDATE read.checkpoints c
       SET next_offset = m.offset_after, last_position = m.position_after, updated_at = clock_timestamp(),
           suspect_to = m.suspect_after, attempts = 0
      FROM unnest(read_models, generations, topics, partitions, epochs,
                  offsets_before, positions_before, offsets_after, positions_after, suspects_after)
           AS m (read_model, generation, topic, partition, epoch,
                 offset_before, position_before, offset_after, position_after, suspect_after)
     WHERE c.read_model = m.read_model AND c.generation = m.generation AND c.topic = m.topic AND c.partition = m.partition
       AND c.epoch = m.epoch AND c.next_offset = m.offset_before AND c.last_position = m.position_before;
    GET DIAGNOSTICS moved = ROW_COUNT;
    IF moved <> cardinality(read_models) THEN
        RAISE EXCEPTION '% of % checkpoints were moved by somebody else', cardinality(read_models) - moved, cardinality(read_models)
            USING ERRCODE = 'TS001';
    END IF;
    IF NOT exceptions_are_made AND (
        EXISTS (SELECT FROM read.parked_keys p
                  JOIN unnest(read_models, generations) AS m (read_model, generation) USING (read_model, generation))
        OR EXISTS (SELECT FROM read.skips s
                     JOIN unnest(read_models, positions_before, positions_after) AS m (read_model, before, after)
                       ON s.read_model = m.read_model AND s.position > m.before AND s.position <= m.after)
    ) THEN
        RAISE EXCEPTION 'something among this is parked or skipped' USING ERRCODE = 'TS002';
    END IF;
END $$;
