"""Ask OpenLeash before an agent acts, and verify the proofs that it gives.

>>> client = Client.from_env()
>>> decision = client.authorize("purchase.order", {"amount": 45, "currency": "USD"})
>>> if decision.allowed:
...     order(decision.proof_token)

Only ALLOW is a yes. Whatever else can go wrong is an OpenLeashError whose class says which, and whose
text says what to do. A request is sent again only where that is harmless, and signed anew each time.
"""

from .aio import AsyncClient, AsyncVerifier
from .canonical import action_hash, canonical
from .client import ApprovalRequest, Client, Decision
from .errors import (
    ApprovalError,
    ClockSkewError,
    InvalidKeyError,
    NotAllowedError,
    OpenLeashError,
    RequestError,
    ResponseError,
    ServerError,
    ServerTimeoutError,
    UnreachableError,
    VerifyError,
)
from .keys import KeyPair, generate_key_pair, parse_key_pair
from .registration import Registration, redeem_invite, register
from .replay import ReplayCache
from .signing import sign_request
from .tokens import Expect, parse_public_keys, verify_token
from .verifier import Verifier

__all__ = [
    "ApprovalError", "ApprovalRequest", "AsyncClient", "AsyncVerifier", "Client", "ClockSkewError", "Decision", "Expect",
    "InvalidKeyError", "KeyPair", "NotAllowedError", "OpenLeashError", "Registration", "ReplayCache", "RequestError", "ResponseError",
    "ServerError", "ServerTimeoutError", "UnreachableError", "Verifier", "VerifyError", "action_hash", "canonical",
    "generate_key_pair", "parse_key_pair", "parse_public_keys", "redeem_invite", "register", "sign_request", "verify_token",
]
