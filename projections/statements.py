"""SQL that stands in a file beside its module, made ready for the schema of one generation."""

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

_INDEX = re.compile(r"^CREATE (?:UNIQUE )?INDEX [^;]*;\n", re.MULTILINE)
_SCHEMA = re.compile(r"[a-z][a-z_]*_[1-9][0-9]*")


def beside(module_file: str, name: str = "") -> str:
    """The text of `payments.sql`, or of `payments.<name>.sql`, beside `payments.py`. Call it with `__file__`."""
    return Path(module_file).with_suffix(f".{name}.sql" if name else ".sql").read_text()


def without_indexes(tables: str) -> str:
    """The statements that make tables, with primary keys but no further index."""
    return _INDEX.sub("", tables)


def indexes(tables: str) -> Sequence[str]:
    """Statements that make the further indexes, each unless it is there."""
    return [statement.replace(" INDEX ", " INDEX IF NOT EXISTS ", 1) for statement in _INDEX.findall(tables)]


@lru_cache(maxsize=512)
def on(schema: str, text: str) -> bytes:
    """The statement with `schema` in the place of `{schema}`. Bytes: psycopg takes them as a query of one's own making."""
    if not _SCHEMA.fullmatch(schema):
        raise ValueError(f"{schema!r} is not the schema of a generation, which is called like payments_7.")
    return text.replace("{schema}", schema).encode()
