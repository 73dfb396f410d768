-- The event store. Owned by commands/store; facts are inserted, never updated or deleted.

CREATE SCHEMA store;

-- One row per command: what it was, and what it came to (an answer or a refusal). Kept as the only record of an Idempotency-Key.
-- `json`, not `jsonb`: what is answered again is the same text, members in the same order.
CREATE TABLE store.inbox (
    command_id   uuid        PRIMARY KEY,
    project_id   text        NOT NULL,
    fingerprint  bytea       NOT NULL,
    answer       json,
    refusal      json,
    versions     json        NOT NULL,
    recorded_at  timestamptz NOT NULL,
    lease_until  timestamptz,
    CONSTRAINT inbox_answer_or_refusal CHECK ((answer IS NULL) <> (refusal IS NULL))
);

-- One row per fact. `payload` is the Kafka value: encoded once.
CREATE TABLE store.events (
    stream         text        NOT NULL,
    version        integer     NOT NULL CHECK (version > 0),
    topic          text        NOT NULL,
    type           text        NOT NULL,
    event_id       uuid        NOT NULL,
    command_id     uuid        NOT NULL,
    project_id     text        NOT NULL,
    actor          text        NOT NULL,
    request_id     text        NOT NULL,
    correlation_id text        NOT NULL,
    causation_id   text        NOT NULL,
    schema_id      integer     NOT NULL,
    payload        bytea       NOT NULL,
    recorded_at    timestamptz NOT NULL,
    PRIMARY KEY (stream, version)
);

CREATE FUNCTION store.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'facts are never changed: % on % refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER events_are_for_ever BEFORE UPDATE OR DELETE ON store.events
    FOR EACH ROW EXECUTE FUNCTION store.refuse_change();
CREATE TRIGGER events_are_never_truncated BEFORE TRUNCATE ON store.events
    FOR EACH STATEMENT EXECUTE FUNCTION store.refuse_change();

-- What is recorded and not yet numbered. Emptied by the publisher.
CREATE TABLE store.outbox (
    ordinal    bigint  GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
    command_id uuid    NOT NULL,
    stream     text    NOT NULL,
    version    integer NOT NULL
);

-- Which stream an outside id belongs to: ('checkout', 'cs_…') → 'pay_…'.
CREATE TABLE store.refs (
    kind   text NOT NULL,
    value  text NOT NULL,
    stream text NOT NULL,
    PRIMARY KEY (kind, value)
);

-- A long stream's state at some version. Losing one costs only time.
CREATE TABLE store.snapshots (
    stream       text    PRIMARY KEY,
    version      integer NOT NULL,
    fold_version integer NOT NULL,
    state        bytea   NOT NULL
);
