"""The keys with which a project's servers and pages open the API. Several may be in force, so that one can be rotated."""

from domain.project.errors import KeyUnknown, LastSecretKey
from domain.project.events import KeyIssued, KeyRevoked, ProjectEvent
from domain.project.state import Key, KeyKind, Project


def issue_key(project: Project | None, project_id: str, key: Key) -> list[ProjectEvent]:
    """Put a key in force. `project` is None while the project is just being registered."""
    if project is not None and key.hash in project.keys:
        return []
    return [
        KeyIssued(project_id=project_id, key_id=key.key_id, key_kind=key.kind.value, key_hash=key.hash, hint=key.hint)
    ]


def revoke_key(project: Project, key_id: str, reason: str) -> list[ProjectEvent]:
    """Take a key out of force at once. The last secret key stays: it could not be replaced any more."""
    found = [key for key in project.keys.values() if key.key_id == key_id]
    if not found:
        raise KeyUnknown(key_id)
    secret = [key for key in project.keys.values() if key.kind is KeyKind.SECRET]
    if secret == found:
        raise LastSecretKey(key_id)
    return [KeyRevoked(project_id=project.project_id, key_id=key_id, reason=reason)]
