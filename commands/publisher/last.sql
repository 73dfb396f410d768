-- Where the log ends: its last position and hash. An accepted older store goes on where Kafka ended.
(SELECT position, hash FROM store.positions ORDER BY position DESC LIMIT 1)
 UNION ALL
(SELECT kafka_position, kafka_hash FROM store.acceptances ORDER BY kafka_position DESC LIMIT 1)
 ORDER BY position DESC
 LIMIT 1
