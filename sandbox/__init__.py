"""The local platform: real servers and the service's own processes on one machine, for trying, showing and testing.

It starts processes and speaks HTTP, SQL and Kafka to them. It imports no folder of the service.
"""
