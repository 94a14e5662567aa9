"""Checking the proofs that agents show."""

from __future__ import annotations

import math
import threading
from datetime import datetime, timezone
from typing import Any, Callable, Dict, List, Optional

from .canonical import canonical
from .errors import OpenLeashError, RequestError, ResponseError, VerifyError
from .tokens import Expect, compare, parse_public_keys, verify_token
from .transport import Call, Transport

# How long a Verifier relies on the keys that it fetched, in seconds.
_FRESH = 5 * 60  # then it asks for them again
_STALE = 60 * 60  # and until then it goes on if it gets no answer
_RETRY = 10  # the least between two requests


class Verifier:
    """Checks proof tokens offline, with keys that it fetches and keeps. It is safe for threads."""

    def __init__(self, url: Optional[str] = None, *, keys: Optional[List[Dict[str, Any]]] = None,
                 now: Optional[Callable[[], datetime]] = None, **more: Any) -> None:
        """With a URL, for the proofs of that server; connects when it first verifies. With keys, never
        connects, and does not hear of keys that are revoked later."""
        self._transport = None if url is None else Transport(url, now=now, **more)
        self._now = now or (lambda: datetime.now(timezone.utc))
        self._keys = None if keys is None else parse_public_keys({"keys": keys})
        if self._transport is None and self._keys is None:
            raise RequestError("a verifier needs the URL of a server, or its public keys")
        self._fetched = self._asked = -math.inf
        self._fetching = threading.Lock()  # held by the one request for keys that is under way

    def verify(self, token: str, expect: Expect = Expect()) -> Dict[str, Any]:
        """Check a proof token offline, once, and return what it says.

        A token that does not hold is a VerifyError; any other error means that there are no keys to check
        it with, and then it must not be accepted either.
        """
        try:
            return verify_token(token, self._source(_FRESH), expect, now=self._now())
        except VerifyError as error:
            if self._transport is None or error.reason != "UNKNOWN_KEY":
                raise
        # The server may have rotated its keys since.
        return verify_token(token, self._source(_RETRY), expect, now=self._now())

    def _source(self, fresh: float) -> List[Dict[str, Any]]:
        """Keys that are not older than fresh seconds, if they can be had. While one thread asks for new
        keys, the others go on with the old ones."""
        keys = self._kept(fresh)
        if keys is not None:
            return keys
        with self._fetching:
            keys = self._kept(fresh)
            if keys is not None or self._transport is None:
                return keys or []
            now = self._asked = self._now().timestamp()
            try:
                self._keys = parse_public_keys(self._transport.do(Call("GET", "/v1/public-keys", again=True)))
                self._fetched = now
            except OpenLeashError:
                if self._keys is None or now - self._fetched >= _STALE:
                    raise
            return self._keys

    def _kept(self, fresh: float) -> Optional[List[Dict[str, Any]]]:
        """The keys that are here, or None if it is time to ask for them."""
        now = self._now().timestamp()
        age = now - self._fetched
        if self._transport is None or age < fresh or (now - self._asked < _RETRY and age < _STALE):
            return self._keys
        return None

    def redeem_proof(self, token: str, audience: str, *, action_hash: Optional[str] = None, amount_minor: Optional[int] = None,
                     receipt: Optional[str] = None) -> Dict[str, Any]:
        """Use up a proof at the server, so that nobody can redeem it again; return its claims.

        audience is your own domain. amount_minor is what you really take: at most, and by default, the
        amount of the proof. Any later redemption is a VerifyError with the reason ALREADY_REDEEMED. It is
        sent once: if the answer is lost, the proof may have been redeemed.
        """
        if self._transport is None:
            raise RequestError("an offline verifier has no server to ask")
        request = {"token": token, "audience": audience, "action_hash": action_hash, "amount_minor": amount_minor, "receipt": receipt}
        body = canonical({name: value for name, value in request.items() if value is not None}).encode()
        answer = self._transport.do(Call("POST", "/v1/redeem-proof", body=body))
        valid, claims, at = answer.get("valid"), answer.get("claims"), answer.get("redeemed_at")
        if valid is False:
            raise VerifyError(str(answer.get("reason")),
                              f"the server says {answer.get('reason')}" + (f"; it was redeemed at {at}" if at else ""))
        if valid is not True or not at or not isinstance(claims, dict) or claims.get("purpose") != "proof" or (
                claims.get("decision") != "ALLOW" or claims.get("aud") != audience):
            raise ResponseError("the server's answer says nothing about a proof")
        return claims

    def verify_online(self, token: str, expect: Expect = Expect()) -> Dict[str, Any]:
        """Let the server check a proof token. It accepts the token as often as it is shown; see redeem_proof."""
        if self._transport is None:
            raise RequestError("an offline verifier has no server to ask")
        request = {"token": token, "expected_action_hash": expect.action_hash, "expected_agent_id": expect.agent_id,
                   "expected_audience": expect.audience}
        body = canonical({name: value for name, value in request.items() if value is not None}).encode()
        answer = self._transport.do(Call("POST", "/v1/verify-proof", body=body, again=True))
        valid, claims = answer.get("valid"), answer.get("claims")
        if valid is False:
            raise VerifyError(str(answer.get("reason")), f"the server says {answer.get('reason')}")
        if valid is not True or not isinstance(claims, dict) or claims.get("purpose") != "proof" or claims.get("decision") != "ALLOW":
            raise ResponseError("the server's answer says nothing about a proof")
        compare(claims, expect)
        return claims
