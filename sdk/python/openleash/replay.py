"""Remembering the proofs that were accepted."""

from __future__ import annotations

import threading
from datetime import datetime, timezone
from typing import Dict, Tuple

from .errors import VerifyError

MAX_REPLAYS = 100_000


class ReplayCache:
    """Remembers the proofs that were accepted, by kid and jti, until they expire. It is safe for threads.

    It holds at most 100,000; when it is full it accepts nothing until one of them has expired. It knows
    what this process accepted, and no more: several processes redeem proofs online instead.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: Dict[Tuple[str, str], datetime] = {}  # when it expires
        self._next = datetime.min.replace(tzinfo=timezone.utc)  # none expires before this

    def __repr__(self) -> str:
        return f"<ReplayCache of {len(self._seen)} proofs>"

    def _record(self, kid: str, jti: str, expires: datetime, now: datetime) -> None:
        """Remember a proof whose claims were all checked, or raise VerifyError.

        Expired entries are dropped only when their room is needed, so that a clock that is set back does
        not let them in again.
        """
        with self._lock:
            if (kid, jti) in self._seen:
                raise VerifyError("ALREADY_REDEEMED", "it was accepted here before")
            if len(self._seen) >= MAX_REPLAYS and now >= self._next:
                self._seen = {key: end for key, end in self._seen.items() if end > now}
                self._next = min(self._seen.values(), default=expires)
            if len(self._seen) >= MAX_REPLAYS:
                raise VerifyError("REPLAY_CACHE_FULL", "no more proofs can be remembered here; redeem it online: POST /v1/redeem-proof")
            self._next = min(self._next, expires) if self._seen else expires
            self._seen[kid, jti] = expires


# Shared by all who name no cache, so that a verifier that is made anew for each request remembers too.
PROCESS = ReplayCache()
