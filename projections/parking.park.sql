INSERT INTO read.parked_keys (read_model, generation, stream, project_id, event_id, position, error)
VALUES (%(read_model)s, %(generation)s, %(stream)s, %(project_id)s, %(event_id)s, %(position)s, %(error)s)
