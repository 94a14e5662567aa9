"""A server that answers as a test tells it to, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Dict, List, NamedTuple, Optional

from openleash import Client, action_hash, generate_key_pair, sign_request


class Answer(NamedTuple):
    status: int = 200
    body: Optional[str] = None  # None: decide as the payload says
    headers: Dict[str, str] = {}
    hang: bool = False


class Asked(NamedTuple):
    method: str
    path: str
    query: str
    nonce: str
    body: str
    signed: bool


class Fake:
    """Gives its answers in turn, the last again and again."""

    def __init__(self, *answers: Answer) -> None:
        self.answers, self.asked, self.lock = list(answers), [], threading.Lock()  # type: List[Answer], List[Asked], Any
        self.key_pair = generate_key_pair()
        self.stopped = threading.Event()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def serve(self) -> None:
                fake.serve(self)

            do_GET = do_POST = serve

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        path, _, query = request.path.partition("?")
        # Ed25519 is deterministic: what this signs is what the client must have signed.
        expected = sign_request(
            agent_id="shopper", private_key_b64=self.key_pair.private_key_b64, method=request.command, path=path,
            timestamp=request.headers.get("X-Timestamp") or "", nonce=request.headers.get("X-Nonce") or "", body=body)
        signed = all(request.headers.get(name) == value for name, value in expected.items())
        with self.lock:
            self.asked.append(Asked(request.command, path, query, request.headers.get("X-Nonce") or "", body.decode(), signed))
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer.hang:
            self.stopped.wait()
            return
        text = (answer.body if answer.body is not None else decide(body)).encode()
        request.send_response_only(answer.status)
        for name, value in {"Content-Length": str(len(text)), **answer.headers}.items():
            request.send_header(name, value)
        request.end_headers()
        try:
            request.wfile.write(text)
        except OSError:
            pass  # the client went away

    def stop(self) -> None:
        self.stopped.set()
        self.server.shutdown()
        self.server.server_close()


def decide(body: bytes) -> str:
    """Answer an authorize request as its payload says: {"decide": "ALLOW"}."""
    action = json.loads(body)
    token = action.pop("approval_token", None)
    return json.dumps({
        "decision_id": "dec_1", "action_id": action["action_id"], "action_hash": action_hash(action),
        "result": "ALLOW" if token else action["payload"].get("decide"), "matched_rule_id": None, "matched_policy_id": "pol_1",
        "reason": "because", "proof_token": None, "proof_expires_at": None, "obligations": [], "budgets": [{"id": "daily", "remaining": 60}],
    })


def order(result: str) -> Dict[str, Any]:
    return {"decide": result, "amount_minor": 4500, "currency": "USD"}


class FakeCase(unittest.TestCase):
    def fake(self, *answers: Answer) -> Fake:
        fake = Fake(*answers)
        self.addCleanup(fake.stop)
        return fake

    def client(self, fake: Fake, **more: Any) -> Client:
        return Client(fake.url + "/", "shopper", fake.key_pair.private_key_b64, "usr_1", **more)
