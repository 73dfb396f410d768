"""Which code builds a generation: what one version of it has half built, another must not go on with."""

import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).parent.parent
_ROOMS = ("domain", "projections", "schemas")  # All that a fold may import.
_KINDS = frozenset({".avsc", ".json", ".py", ".sql"})


@cache
def fingerprint() -> str:
    """A digest of everything that decides what a fold makes of a fact: 64 hexadecimal digits, the same on every machine."""
    digest = hashlib.sha256()
    for name, content in _files():
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _files() -> Iterator[tuple[str, bytes]]:
    found = [file for room in _ROOMS for file in (_ROOT / room).rglob("*") if file.suffix in _KINDS]
    for file in sorted(found, key=lambda file: file.relative_to(_ROOT).as_posix()):
        yield file.relative_to(_ROOT).as_posix(), file.read_bytes()
