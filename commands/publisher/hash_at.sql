-- The hash at a position: of a fact, or of Kafka's last record where an older store was accepted.
SELECT hash FROM store.positions WHERE position = %(position)s
 UNION ALL
SELECT kafka_hash FROM store.acceptances WHERE kafka_position = %(position)s
 LIMIT 1
