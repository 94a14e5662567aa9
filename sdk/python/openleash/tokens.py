"""Verifying tokens: PASETO v4.public, which is Ed25519 over a pre-authentication encoding."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Dict, List, NoReturn, Optional, Sequence, Tuple

from cryptography.exceptions import InvalidSignature

from .errors import ResponseError, VerifyError
from .keys import public_key
from .replay import PROCESS as _PROCESS
from .replay import ReplayCache

_HEADER = "v4.public."
_MAX_TOKEN = 8 << 10  # bytes

_TEXT_CLAIMS = (
    "iss", "purpose", "kid", "jti", "decision_id", "decision", "owner_type", "owner_id", "agent_id", "action_id", "action_type",
    "action_hash", "matched_rule_id", "policy_revision", "aud", "currency", "trust_profile", "use", "approval_request_id", "sub", "sid",
)


@dataclass(frozen=True)
class Expect:
    """What a counterparty knows about the action that a proof is shown for.

    What is None is not compared: give action_hash, or at least audience, lest a proof for one thing
    pays for another.
    """

    action_hash: Optional[str] = None
    agent_id: Optional[str] = None
    audience: Optional[str] = None  # the counterparty's own domain
    amount_minor: Optional[int] = None
    currency: Optional[str] = None
    leeway_seconds: float = 0  # by how much the server's clock may be ahead of this one
    replays: Optional[ReplayCache] = None  # remembers the proofs that are accepted; None is a cache that the process shares
    allow_replay: bool = False  # accept a proof again and remember nothing: for a look at one, or before redeem_proof
    once_online: bool = False  # accept offline a proof whose rule says that it must be redeemed; redeem it before you act


def verify_token(token: str, keys: Sequence[Dict[str, Any]], expect: Expect = Expect(), *,
                 purpose: str = "proof", now: Optional[datetime] = None) -> Dict[str, Any]:
    """Check a token against published keys and return what it says, or raise VerifyError.

    A proof is accepted once; see Expect.replays.
    """
    now = now or datetime.now(timezone.utc)
    payload, signature, footer, kid = _open(token)
    key = next((k for k in keys if k.get("kid") == kid and k.get("kty") == "OKP" and k.get("alg") == "EdDSA"), None)
    if key is None:
        _refuse("UNKNOWN_KEY", f"no key {kid!r} is known")
    if key.get("revoked_at") is not None:
        _refuse("REVOKED_KEY", f"key {kid!r} is revoked")
    try:
        public_key(key["public_key_b64"]).verify(signature, _pre_authenticate(_HEADER.encode(), payload, footer, b""))
    except InvalidSignature:
        _refuse("BAD_SIGNATURE", f"it was not signed by key {kid!r}")
    claims = _object(payload)
    if claims is None:
        _refuse("MALFORMED", "what it says is no JSON object")
    _check(claims, kid, purpose, now, expect.leeway_seconds)
    compare(claims, expect)
    if claims.get("use") is not None and not (expect.once_online and claims["use"] == "once-online"):
        _refuse("ONLINE_ONLY", "it must be redeemed online: POST /v1/redeem-proof")
    if purpose == "proof" and not expect.allow_replay:
        expires = _time(claims["exp"])
        assert expires is not None  # _check saw to it
        (_PROCESS if expect.replays is None else expect.replays)._record(kid, claims["jti"], expires, now)
    return claims


def _refuse(reason: str, message: str) -> NoReturn:
    raise VerifyError(reason, message)


def _open(token: str) -> Tuple[bytes, bytes, bytes, str]:
    """Take a token apart into payload, signature, footer and kid."""
    parts = token[len(_HEADER):].split(".") if isinstance(token, str) and len(token) <= _MAX_TOKEN and token.startswith(_HEADER) else []
    body = _base64url(parts[0]) if len(parts) == 2 else None
    footer = _base64url(parts[1]) if len(parts) == 2 else None
    if body is None or footer is None or len(body) < 64:
        _refuse("MALFORMED", "it is no v4.public token with a footer")
    kid = (_object(footer) or {}).get("kid")
    if not isinstance(kid, str) or not kid:
        _refuse("MALFORMED", "its footer names no kid")
    return body[:-64], body[-64:], footer, kid


def _base64url(text: str) -> Optional[bytes]:
    """Decode strict base64url without padding."""
    if not re.fullmatch(r"[A-Za-z0-9_-]*", text) or len(text) % 4 == 1:
        return None
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    return raw if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() == text else None


def _object(text: bytes) -> Optional[Dict[str, Any]]:
    try:
        value = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _pre_authenticate(*parts: bytes) -> bytes:
    """PASETO's encoding of what is signed: the number of parts, then each with its length before it."""
    return len(parts).to_bytes(8, "little") + b"".join(len(p).to_bytes(8, "little") + p for p in parts)


def _check(claims: Dict[str, Any], kid: str, purpose: str, now: datetime, leeway: float) -> None:
    """Compare claims whose signature holds with what every token of the purpose must say."""
    amount = claims.get("amount_minor")
    if any(not isinstance(claims.get(name), (str, type(None))) for name in _TEXT_CLAIMS) or (
            amount is not None and (not isinstance(amount, int) or isinstance(amount, bool))):
        _refuse("MALFORMED", "a claim has the wrong type")
    issued, start, end = (_time(claims.get(name)) for name in ("iat", "nbf", "exp"))
    if claims.get("iss") != "openleash" or claims.get("kid") != kid:
        _refuse("MALFORMED", "iss or kid is wrong")
    if not purpose or claims.get("purpose") != purpose:
        _refuse("WRONG_PURPOSE", f"its purpose is {claims.get('purpose')!r}, not {purpose!r}")
    if issued is None or start is None or end is None:
        _refuse("MALFORMED", "iat, nbf or exp is missing")
    if purpose == "proof" and claims.get("decision") != "ALLOW":
        _refuse("MALFORMED", "a proof must say ALLOW")
    if purpose == "proof" and not claims.get("jti"):
        _refuse("MALFORMED", "a proof must have a jti")
    if now < start - timedelta(seconds=max(leeway, 0)):
        _refuse("NOT_YET_VALID", f"it is valid from {claims['nbf']}")
    if now >= end:
        _refuse("EXPIRED", f"it expired at {claims['exp']}")


def compare(claims: Dict[str, Any], expect: Expect) -> None:
    """Compare claims with what the caller expects of them."""
    for want, name, reason, what in (
        (expect.action_hash, "action_hash", "ACTION_MISMATCH", "action"),
        (expect.agent_id, "agent_id", "AGENT_MISMATCH", "agent"),
        (expect.audience, "aud", "AUDIENCE_MISMATCH", "audience"),
        (expect.amount_minor, "amount_minor", "AMOUNT_MISMATCH", "amount"),
        (expect.currency, "currency", "CURRENCY_MISMATCH", "currency"),
    ):
        if want is not None and claims.get(name) != want:
            _refuse(reason, f"it is for another {what}")


_RFC3339 = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?(?:Z|([+-])([0-9]{2}):([0-9]{2}))")


def _time(value: Any) -> Optional[datetime]:
    """Read an RFC 3339 time; None if it is none."""
    m = _RFC3339.fullmatch(value) if isinstance(value, str) else None
    if m is None:
        return None
    micros = int((m[7] or "0")[:6].ljust(6, "0"))
    offset = timedelta(hours=int(m[9] or 0), minutes=int(m[10] or 0))
    try:
        local = datetime(*(int(m[i]) for i in range(1, 7)), micros, timezone.utc)
        return local + offset if m[8] == "-" else local - offset
    except (ValueError, OverflowError):
        return None


def parse_public_keys(body: Any) -> List[Dict[str, Any]]:
    """Read the body of GET /v1/public-keys. Keys of a kind that is not known yet are left out."""
    listed = body.get("keys") if isinstance(body, dict) else None
    if not isinstance(listed, list) or not all(isinstance(k, dict) for k in listed):
        raise ResponseError("the server's public keys cannot be read; check the URL")
    keys = [k for k in listed if k.get("kty") == "OKP" and k.get("alg") == "EdDSA"]
    kids = [k.get("kid") for k in keys]
    if not all(isinstance(k, str) and k for k in kids) or len(set(kids)) != len(kids) or not all(
            isinstance(k.get("public_key_b64"), str) for k in keys):
        raise ResponseError("the server's public keys are broken")
    return keys
