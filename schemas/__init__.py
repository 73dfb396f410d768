"""Avro contracts of facts. Request models are in `api/models`."""
