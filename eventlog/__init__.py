"""The published log as anyone reads it: from Kafka, or from the store, with one port for both."""
