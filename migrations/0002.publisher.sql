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

-- The log as it stands in the store: what a reader of Kafka sees, from Postgres.
CREATE VIEW store.log AS
SELECT p.position, p.topic, p.partition, p.stream, p.version, p.hash, p.numbered_at,
       e.type, e.event_id, e.command_id, e.project_id, e.actor, e.correlation_id, e.causation_id, e.payload, e.recorded_at
  FROM store.positions p
  JOIN store.events e USING (stream, version);
