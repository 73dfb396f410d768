"""An event of any class, filled in."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from types import NoneType
from typing import Any, get_args, get_type_hints

from domain.wallet import Portion

MOMENT = datetime(2026, 3, 1, 12, 0, 7, 123456, tzinfo=UTC)

SAMPLES: Mapping[Any, Any] = {
    int: 1_234_567,
    bool: True,
    datetime: MOMENT,
    tuple[str, ...]: ("one", "zwei", "三"),
    tuple[Portion, ...]: (
        Portion(entry_id="ent_1", amount=1_234_567, remaining=0),
        Portion(entry_id="ent_2", amount=1, remaining=7),
    ),
    Mapping[str, str]: {"order": "A-17", "größe": "groß"},
}


def sample(cls: type) -> Any:
    """An event with every field filled in, each with something of its own."""
    return cls(**{field.name: _value(field.name, get_type_hints(cls)[field.name]) for field in fields(cls)})


def _value(name: str, annotation: Any) -> Any:
    kinds = (
        [kind for kind in get_args(annotation) if kind is not NoneType]
        if NoneType in get_args(annotation)
        else [annotation]
    )
    return f"{name} ü" if kinds[0] is str else SAMPLES[kinds[0]]
