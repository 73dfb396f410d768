"""The database's shape, in plain SQL, forward only. `python -m migrations up` brings a database to the newest."""

from pathlib import Path

import yoyo

_SCRIPTS = Path(__file__).parent


def ids() -> frozenset[str]:
    """Every migration there is, by the id under which it is noted once it was applied."""
    return frozenset(script.stem for script in _SCRIPTS.glob("*.sql"))


def up(database_url: str) -> list[str]:
    """Apply what is missing, once even when several processes ask at the same time. Returns the ids it applied."""
    backend = yoyo.get_backend(_for_yoyo(database_url))
    try:
        with backend.lock():
            scripts = yoyo.read_migrations(str(_SCRIPTS)).filter(lambda migration: migration.path.endswith(".sql"))
            missing = backend.to_apply(scripts)
            backend.apply_migrations(missing)
            return [migration.id for migration in missing]
    finally:
        backend.connection.close()


def _for_yoyo(database_url: str) -> str:
    scheme, _, rest = database_url.partition("://")
    return f"postgresql+psycopg://{rest}" if scheme.startswith("postgres") else database_url
