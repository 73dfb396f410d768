"""From the outbox to the topics: numbering gives every fact its position, sending gives it to Kafka, in that order."""
