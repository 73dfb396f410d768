"""Processes behind the API: the projector, which reads the topics, and the reconciler, which finds what is still open."""
