"""Ed25519 keys as they travel: base64 of DER, SPKI for public and PKCS#8 for private ones (RFC 8410)."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from .errors import InvalidKeyError

# Every Ed25519 key has the same DER bytes before its 32 bytes.
_SPKI = bytes.fromhex("302a300506032b6570032100")
_PKCS8 = bytes.fromhex("302e020100300506032b657004220420")


@dataclass(frozen=True)
class KeyPair:
    """An agent's key. The private half never leaves the agent."""

    public_key_b64: str
    private_key_b64: str = field(repr=False)


def generate_key_pair() -> KeyPair:
    """Make a new key."""
    return _pair(Ed25519PrivateKey.generate())


def parse_key_pair(private_key_b64: str) -> KeyPair:
    """Read a private key and derive its public half."""
    return _pair(private_key(private_key_b64))


def _pair(key: Ed25519PrivateKey) -> KeyPair:
    raw_public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    raw_private = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    return KeyPair(base64.b64encode(_SPKI + raw_public).decode(), base64.b64encode(_PKCS8 + raw_private).decode())


def private_key(b64: str) -> Ed25519PrivateKey:
    der = decode(b64.strip())
    if not _is_key(der, _PKCS8):
        what = "a private key is an Ed25519 key in base64 of DER PKCS#8"
        if _is_key(der, _SPKI):
            what = "this is a public key where a private one is wanted"
        raise InvalidKeyError(
            f"the private key cannot be used: {what}; it is OPENLEASH_AGENT_PRIVATE_KEY_B64 in the file that registering wrote")
    return Ed25519PrivateKey.from_private_bytes(der[len(_PKCS8):])


def public_key(b64: str) -> Ed25519PublicKey:
    der = decode(b64)
    if not _is_key(der, _SPKI):
        what = "a public key is an Ed25519 key in base64 of DER SPKI"
        if _is_key(der, _PKCS8):
            what = "this is a private key where a public one is wanted"
        raise InvalidKeyError(f"the public key cannot be used: {what}")
    return Ed25519PublicKey.from_public_bytes(der[len(_SPKI):])


def _is_key(der: bytes, prefix: bytes) -> bool:
    return len(der) == len(prefix) + 32 and der.startswith(prefix)


def decode(b64: str) -> bytes:
    """Decode strict base64; what is none decodes to nothing."""
    try:
        raw = base64.b64decode(b64, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return raw if base64.b64encode(raw).decode() == b64 else b""
