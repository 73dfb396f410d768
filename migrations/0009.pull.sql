-- A project pulls its own events in the order of positions: each position says whose it is.
ALTER TABLE store.positions ADD COLUMN project_id text;
UPDATE store.positions p SET project_id = e.project_id FROM store.events e WHERE e.stream = p.stream AND e.version = p.version;
ALTER TABLE store.positions ALTER COLUMN project_id SET NOT NULL;
CREATE INDEX positions_by_project ON store.positions (project_id, position);
