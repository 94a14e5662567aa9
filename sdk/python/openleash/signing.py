"""Agent request signing."""

from __future__ import annotations

import base64
import hashlib
from typing import Dict

from .keys import private_key


def sign_request(*, agent_id: str, private_key_b64: str, method: str, path: str, timestamp: str, nonce: str, body: bytes) -> Dict[str, str]:
    """Return the headers of a signed request. path goes without the query; timestamp is RFC 3339 in UTC."""
    body_hash = hashlib.sha256(body).hexdigest()
    text = "\n".join([method, path, timestamp, nonce, body_hash])
    return {
        "X-Agent-Id": agent_id,
        "X-Timestamp": timestamp,
        "X-Nonce": nonce,
        "X-Body-Sha256": body_hash,
        "X-Signature": base64.b64encode(private_key(private_key_b64).sign(text.encode())).decode(),
    }
