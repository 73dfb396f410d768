-- When time alone will change something in a stream, written with the fact that says so. A row goes once that is recorded.
CREATE TABLE store.deadlines (
    topic      text        NOT NULL,
    stream     text        NOT NULL,
    due_at     timestamptz NOT NULL,
    project_id text        NOT NULL,
    PRIMARY KEY (topic, due_at, stream)
);
