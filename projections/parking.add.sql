INSERT INTO read.parked_facts
       (read_model, generation, stream, position, event_id, type, topic, version, recorded_at, project_id, actor,
        correlation_id, causation_id, value, previous_hash, hash)
VALUES (%(read_model)s, %(generation)s, %(stream)s, %(position)s, %(event_id)s, %(type)s, %(topic)s, %(version)s,
        %(recorded_at)s, %(project_id)s, %(actor)s, %(correlation_id)s, %(causation_id)s, %(value)s, %(previous_hash)s, %(hash)s)
