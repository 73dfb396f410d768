-- Positions: the one order of all facts, gapless from 1, chained by hashes. Owned by commands/publisher.

CREATE TABLE store.positions (
    position    bigint      PRIMARY KEY CHECK (position > 0),
    stream      text        NOT NULL,
    version     integer     NOT NULL,
    hash        bytea       NOT NULL,
    numbered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    topic       text        NOT NULL,
    partition   integer     NOT NULL,
    UNIQUE (stream, version)
);

-- One row: which publisher may number and send (its epoch), and up to where Kafka has acknowledged everything.
CREATE TABLE store.publisher (
    id            boolean     PRIMARY KEY DEFAULT true CHECK (id),
    epoch         bigint      NOT NULL DEFAULT 0,
    published     bigint      NOT NULL DEFAULT 0,
    published_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO store.publisher DEFAULT VALUES;

-- What a publisher writes, it writes in a transaction that holds its epoch. Who takes the next epoch locks the row
-- FOR UPDATE and so waits for that transaction; afterwards the old epoch is refused here, whatever its owner believes.
-- FOR KEY SHARE lets the same publisher move its checkpoint while it numbers.
CREATE FUNCTION store.hold_epoch(mine bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM store.publisher WHERE epoch = mine FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'another publisher took over from epoch %', mine
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
END $$;

-- Each time somebody let the publisher go on with a store that ends before Kafka does (a restored one), and why. The
-- log goes on behind Kafka's last position and hash; the positions between are in Kafka only.
CREATE TABLE store.acceptances (
    accepted_at    timestamptz PRIMARY KEY DEFAULT clock_timestamp(),
    reason         text        NOT NULL CHECK (reason <> ''),
    store_position bigint      NOT NULL,
    kafka_position bigint      NOT NULL,
    kafka_hash     bytea       NOT NULL,
    CHECK (kafka_position > store_position)
);

-- Numbering takes whole commands, however their ordinals lie among those of others.
CREATE INDEX outbox_commands ON store.outbox (command_id);

-- The log as it stands in the store: what a reader of Kafka sees, from Postgres.
CREATE VIEW store.log AS
SELECT p.position, p.topic, p.partition, p.stream, p.version, p.hash, p.numbered_at,
       e.type, e.event_id, e.command_id, e.project_id, e.actor, e.correlation_id, e.causation_id, e.payload, e.recorded_at
  FROM store.positions p
  JOIN store.events e USING (stream, version);
