-- Where facts are sent: sets of topics, told apart by their prefix. Owned by commands/publisher.

-- The partition of a fact follows from its stream and the number of partitions of its topic. It is nothing that a position
-- has, since the same positions may be published again to topics with another number.
DROP VIEW store.log;
ALTER TABLE store.positions DROP COLUMN partition;
CREATE VIEW store.log AS
SELECT p.position, p.topic, p.stream, p.version, p.hash, p.numbered_at,
       e.type, e.event_id, e.command_id, e.project_id, e.actor, e.correlation_id, e.causation_id, e.payload, e.recorded_at
  FROM store.positions p
  JOIN store.events e USING (stream, version);

-- Each set of topics that was ever filled: from which position on, and up to which one Kafka has acknowledged everything. Of
-- the set that the publisher fills, store.publisher says how far it is.
CREATE TABLE store.publications (
    prefix         text        PRIMARY KEY,
    partitions     integer     NOT NULL CHECK (partitions > 0),
    first_position bigint      NOT NULL CHECK (first_position > 0),
    published      bigint      NOT NULL,
    begun_at       timestamptz NOT NULL DEFAULT clock_timestamp()
);
ALTER TABLE store.publisher ADD COLUMN prefix text REFERENCES store.publications;

-- The topics in which the places of read.checkpoints are places, by their logical names. Whoever finds others under these
-- names must not read on in them. An empty id: the read models are on the way from some topics to others.
CREATE TABLE read.topics (
    topic      text    PRIMARY KEY,
    name       text    NOT NULL,
    id         text    NOT NULL,
    partitions integer NOT NULL CHECK (partitions > 0)
);
