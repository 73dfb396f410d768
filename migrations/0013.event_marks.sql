-- Not known before the gateway's list was fetched as a whole for the first time.
ALTER TABLE gateway.event_marks ALTER COLUMN fetched_at DROP NOT NULL;
