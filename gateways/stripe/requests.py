"""An exact request to Stripe as bytes: what is kept sealed before the first call is what every call sends."""

import json
from collections.abc import Mapping
from typing import Any

API_VERSION = "2026-10-28.endive"


def written(params: Mapping[str, Any]) -> bytes:
    """`{"api_version", "params"}` as JSON. The same parameters always give the same bytes."""
    request = {"api_version": API_VERSION, "params": params}
    return json.dumps(request, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def read(request: bytes) -> tuple[str, Any]:
    """The API version and the parameters of a request, as they were written by this version or an older one."""
    content = json.loads(request)
    return content["api_version"], content["params"]
