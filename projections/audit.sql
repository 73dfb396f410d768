-- Every fact, as it was recorded. `part` names what within the stream it speaks of (a product, a key), where it is not the whole.
CREATE TABLE facts (
    position       bigint      PRIMARY KEY,
    event_id       uuid        NOT NULL,
    type           text        NOT NULL,
    stream         text        NOT NULL,
    version        integer     NOT NULL,
    part           text        NOT NULL,
    project_id     text        NOT NULL,
    actor          text        NOT NULL,
    correlation_id text        NOT NULL,
    causation_id   text        NOT NULL,
    recorded_at    timestamptz NOT NULL,
    data           jsonb       NOT NULL,
    hash           bytea       NOT NULL
);
CREATE UNIQUE INDEX facts_by_stream ON facts (stream, version);
CREATE INDEX facts_by_project ON facts (project_id, position);
CREATE INDEX facts_by_cause ON facts (causation_id);
