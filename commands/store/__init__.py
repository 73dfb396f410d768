"""The event store: one append statement, two faces (async for the service, the eventsourcing library's), a twin for tests."""
