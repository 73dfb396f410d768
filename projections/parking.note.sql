INSERT INTO read.parked_decisions (decision, decided_by, reason, read_model, generation, stream, event_id, position, outcome)
VALUES (%(kind)s, %(by)s, %(reason)s, %(read_model)s, %(generation)s, %(stream)s, %(event_id)s, %(position)s, %(outcome)s)
