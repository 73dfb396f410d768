"""A project: what it is called, what it sells, and the keys that speak for it."""

from domain.project.events import (
    KeyIssued,
    KeyRevoked,
    ProductAdded,
    ProductChanged,
    ProjectEvent,
    ProjectRegistered,
    ProjectUpdated,
)
from domain.project.state import PROJECTS, Key, KeyKind, Project

__all__ = [
    "PROJECTS",
    "Key",
    "KeyIssued",
    "KeyKind",
    "KeyRevoked",
    "ProductAdded",
    "ProductChanged",
    "Project",
    "ProjectEvent",
    "ProjectRegistered",
    "ProjectUpdated",
]
