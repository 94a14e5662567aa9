"""The canonical form of JSON (RFC 8785) and the action hash."""

from __future__ import annotations

import hashlib
import json
import math
from decimal import Decimal
from typing import Any, Dict

from .errors import RequestError

_MAX_DEPTH = 32
_MAX_INTEGER = 2**53 - 1  # up to here a double holds every integer


def canonical(value: Any) -> str:
    """Return the canonical form of a JSON value.

    Raise RequestError for what has none, or one that means another number: integers beyond
    ±(2**53-1), NaN, half a surrogate pair, more than 32 levels.
    """
    return _write(value, 0)


def action_hash(action: Dict[str, Any]) -> str:
    """Return the action hash: hex SHA-256 of the canonical form of an action without approval_token."""
    return hashlib.sha256(canonical(action).encode()).hexdigest()


def _write(value: Any, depth: int) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, (int, float)):
        return _number(value)
    if not isinstance(value, (dict, list, tuple)):
        raise RequestError(f"a {type(value).__name__} is no JSON value", code="INVALID_JSON")
    if depth == _MAX_DEPTH:
        raise RequestError("the value is nested more than 32 levels deep", code="TOO_DEEP")
    if not isinstance(value, dict):
        return "[" + ",".join(_write(v, depth + 1) for v in value) + "]"
    members = {}
    for name, member in value.items():
        if not isinstance(name, str):
            raise RequestError("the keys of an object must be strings", code="INVALID_JSON")
        members[name] = _text(name) + ":" + _write(member, depth + 1)
    # The RFC orders names by their UTF-16 code units.
    return "{" + ",".join(members[name] for name in sorted(members, key=lambda n: n.encode("utf-16-be"))) + "}"


def _text(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise RequestError("a string holds half a surrogate pair", code="INVALID_UTF8") from None
    return json.dumps(value, ensure_ascii=False)


def _number(value: Any) -> str:
    if not math.isfinite(value) or abs(value) > _MAX_INTEGER:
        raise RequestError(f"the number {value!r} cannot be represented exactly", code="INEXACT_NUMBER")
    if value == int(value):
        return str(int(value))
    # repr gives the shortest digits that are this double; ECMAScript writes them otherwise.
    sign, digits, exponent = Decimal(repr(float(value))).as_tuple()
    text = "".join(map(str, digits)).rstrip("0")
    exponent += len(digits)  # the value is 0.text × 10^exponent
    if exponent > 0:
        text = text[:exponent] + "." + text[exponent:]
    elif exponent > -6:
        text = "0." + "0" * -exponent + text
    else:
        text = text[0] + ("." + text[1:] if len(text) > 1 else "") + f"e{exponent - 1}"
    return "-" * sign + text
