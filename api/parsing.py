"""From bytes to a request: JSON read strictly, then checked against the route's model. Wrong input is never an accident."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import Request

from api.errors import BodyMalformed, ContentTypeUnsupported, RequestInvalid
from domain.errors import Details

M = TypeVar("M", bound=BaseModel)

_FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
_OUR_WORDS = frozenset(
    """
    personal_data url_invalid currency_unknown product_or_price event_type_unknown expiry_twice no_such_moment
    """.split()
)


async def read_json(request: Request[Any], *, default: bytes = b"") -> Any:
    """The request's body as JSON; `default` stands in for no body at all.

    Raises `ContentTypeUnsupported`, `BodyMalformed` or, while the bytes come in, `BodyTooLarge`.
    """
    body = await request.body()
    if not body and default:
        body = default
    elif request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise ContentTypeUnsupported
    return decode(body)


def decode(body: bytes) -> Any:
    """Strict JSON (RFC 8259): UTF-8, no key twice, no NaN, no lone surrogate. Raises `BodyMalformed`."""
    try:
        value = _READ.decode(body.decode())
        canonical(value)
    except UnicodeDecodeError as error:
        raise BodyMalformed(f"The body is not UTF-8: byte {error.start} begins no character.") from error
    except json.JSONDecodeError as error:
        raise BodyMalformed(f"The body is not JSON: {error.msg} at character {error.pos}.") from error
    except UnicodeEncodeError as error:
        raise BodyMalformed("The body has half of a surrogate pair, which is no character.") from error
    except RecursionError as error:
        raise BodyMalformed("The body is nested too deeply.") from error
    except ValueError as error:
        raise BodyMalformed("The body has a number that JSON cannot carry.") from error
    return value


def canonical(value: Any) -> bytes:
    """The same bytes for the same JSON, however its keys were ordered and spaced.

    They are Python's own, for ever: fingerprints are made of them. What orjson writes in the same way, it writes sooner.
    """
    if type(value) is dict and _ALIKE.issuperset(map(type, value.values())):
        try:
            return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        except TypeError:  # A number of more than 64 bits, or half of a surrogate pair.
            pass
    return _WRITE.encode(value).encode()


def parse(model: type[M], value: Any) -> M:
    """Check JSON against a model. Raises `RequestInvalid`, which names every wrong field and repeats none of its values."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        raise _refusal(problems) from None  # the original quotes the input in its traceback


def parse_query(model: type[M], request: Request[Any]) -> M:
    """Check the query string against a model. Raises `RequestInvalid`, also where a parameter is given twice."""
    pairs = request.query_params.multi_items()
    query = dict(pairs)
    if len(query) != len(pairs):
        raise RequestInvalid("A query parameter is given more than once; give each once.")
    return parse(model, query)


def parse_place(model: type[M], request: Request[Any]) -> M:
    """Check the ids that stand in the path. Raises `RequestInvalid`."""
    return parse(model, request.path_params)


def _once_each(pairs: Sequence[tuple[str, Any]]) -> Mapping[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise BodyMalformed("The body has a key twice in one object; which of the two is meant is unclear.")
    return value


def _no_constant(name: str) -> Any:
    raise BodyMalformed(f"The body has {name}, which is not JSON.")


_READ = json.JSONDecoder(object_pairs_hook=_once_each, parse_constant=_no_constant)
_WRITE = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
_ALIKE = frozenset({str, int, bool, type(None)})  # Of other numbers there are several ways to write them.


def _refusal(problems: list[ErrorDetails]) -> RequestInvalid:
    details: Details = {_place(problem["loc"]): _sentence(problem) for problem in problems[:20]}
    first = problems[0]
    place = _place(first["loc"])
    code = first["type"] if first["type"] in _OUR_WORDS else "request_invalid"
    message = _sentence(first)
    if place and first["type"] not in _OUR_WORDS:
        message = f"{place}: {message}"
    return RequestInvalid(message, param=place or None, code=code, details=details)


def _place(loc: tuple[int | str, ...]) -> str:
    """`products.0.price_id`. A name that a caller made up is shown only where it can be one: it might be an address."""
    shown = (str(part) for part in loc if isinstance(part, int) or _FIELD_NAME.fullmatch(part))
    return ".".join(shown)


def _sentence(problem: ErrorDetails) -> str:
    if problem["type"] == "extra_forbidden":
        return "There is no such field; /openapi.json lists those there are."
    if problem["type"] == "missing":
        return "This field is required."
    if problem["type"] == "value_error" and problem["loc"][-1:] == ("email",):
        return "This is not an e-mail address; send one such as person@example.com, or leave it out."
    return f"{problem['msg'].removesuffix('.')}."
