-- What is known of a gateway's account as a whole.

-- How far its own list of its events has been fetched: what was lost on its way here is found there.
CREATE TABLE gateway.event_marks (
    gateway    text        PRIMARY KEY,
    until      timestamptz NOT NULL, -- Events that were made up to then have been fetched.
    fetched_at timestamptz NOT NULL  -- When there were no more for the last time.
);

-- How many calls it may still be sent now, whichever process sends them. Not logged: after a crash all of them are full again.
CREATE UNLOGGED TABLE gateway.call_budgets (
    name        text             PRIMARY KEY,
    calls       double precision NOT NULL, -- Below zero after the gateway said that there were too many.
    refilled_at timestamptz      NOT NULL
);
