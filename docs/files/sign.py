"""How an agent signs a request. Needs Python 3.9 and the package cryptography."""
import base64
import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

key = Ed25519PrivateKey.from_private_bytes(bytes(32))  # yours comes from OPENLEASH_AGENT_PRIVATE_KEY_B64

body = (
    b'{"action_id":"00000000-0000-0000-0000-000000000001","action_type":"purchase",'
    b'"requested_at":"2024-01-15T10:30:00.000Z","principal":{"agent_id":"test-agent"},'
    b'"subject":{"principal_id":"00000000-0000-0000-0000-000000000002"},'
    b'"relying_party":{"domain":"example.com","trust_profile":"LOW"},'
    b'"payload":{"amount_minor":5000,"currency":"USD","merchant_domain":"example.com"}}'
)
timestamp = "2024-01-15T10:30:00.000Z"
nonce = "00000000-0000-0000-0000-000000000099"

signed = "\n".join(["POST", "/v1/authorize", timestamp, nonce, hashlib.sha256(body).hexdigest()])
print("X-Signature:", base64.b64encode(key.sign(signed.encode())).decode())
