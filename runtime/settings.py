"""Settings from the environment: one frozen dataclass per process, read at once, with every mistake reported together."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")


class SettingsInvalid(Exception):
    """Some variables are missing or malformed. The message names each, a line for each."""


def read(settings: type[T], environ: Mapping[str, str]) -> T:
    """Read a dataclass whose fields name their variables as aliases. Empty variables count as missing.

    Raises `SettingsInvalid`, with all that is wrong.
    """
    try:
        return TypeAdapter(settings).validate_python({name: value for name, value in environ.items() if value})
    except ValidationError as error:
        lines = [f"  {_variable(problem['loc'])}: {problem['msg']}" for problem in error.errors(include_input=False)]
        raise SettingsInvalid("The environment is not complete:\n" + "\n".join(sorted(lines))) from error


def _variable(place: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in place)
