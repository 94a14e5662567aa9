"""Requests to one server, over http.client."""

from __future__ import annotations

import http.client
import json
import random
import socket
import ssl
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, Callable, Dict, Optional
from urllib.parse import urlsplit

from .errors import (
    ClockSkewError,
    InvalidKeyError,
    OpenLeashError,
    RequestError,
    ResponseError,
    ServerError,
    ServerTimeoutError,
    UnreachableError,
)

_MAX_ANSWER = 1 << 20  # bytes


@dataclass(frozen=True)
class Call:
    """One request of the API."""

    method: str
    path: str
    query: str = ""
    body: bytes = b""
    again: bool = False  # sending it twice does no harm
    patience: float = 0  # by how many seconds the server may hold its answer
    sign: Optional[Callable[[], Dict[str, str]]] = None  # called anew for each attempt


def format_time(t: datetime) -> str:
    """Write a time as it stands on the wire: RFC 3339, UTC, milliseconds."""
    return t.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.") + f"{t.microsecond // 1000:03d}Z"


class Transport:
    """Sends requests to one server, each on a connection of its own: it is safe for threads."""

    def __init__(self, url: str, *, timeout: float = 10, attempts: int = 3, now: Optional[Callable[[], datetime]] = None,
                 tls: Optional[ssl.SSLContext] = None) -> None:
        self.url = (url or "").strip().rstrip("/")
        try:
            parts = urlsplit(self.url)
            self._host, self._port = parts.hostname, parts.port
        except ValueError:
            parts = urlsplit("")
            self._host = None
        if parts.scheme not in ("http", "https") or not self._host:
            raise RequestError(f"{url!r} is no URL of a server; set OPENLEASH_URL to one such as http://127.0.0.1:8787")
        self._secure = parts.scheme == "https"
        self._prefix = parts.path
        self._timeout = timeout
        self._attempts = attempts
        self._tls = tls
        self.now = now or (lambda: datetime.now(timezone.utc))

    def do(self, call: Call, *needed: str) -> Dict[str, Any]:
        """Send a call, again if it may and the failure can pass. The answer is an object that holds the named texts."""
        attempt = 1
        while True:
            try:
                return self._once(call, needed)
            except OpenLeashError as error:
                passing = isinstance(error, (UnreachableError, ServerTimeoutError, ServerError)) or error.status == 429
                if not call.again or attempt >= self._attempts or not passing:
                    raise
                backoff = 0.1 * 2 ** min(attempt - 1, 5) * (1 + random.random() / 2)
                time.sleep(max(backoff, min(error.retry_after, 5)))
                attempt += 1

    def _once(self, call: Call, needed: Any) -> Dict[str, Any]:
        timeout = self._timeout + call.patience
        headers = {"Accept": "application/json", **(call.sign() if call.sign else {})}
        if call.body:
            headers["Content-Type"] = "application/json"
        target = self._prefix + call.path + (f"?{call.query}" if call.query else "")
        connection = self._connect(timeout)
        try:
            connection.request(call.method, target, body=call.body or None, headers=headers)
            response = connection.getresponse()
            text = _read(response, time.monotonic() + timeout)
        except (socket.timeout, TimeoutError) as error:
            raise ServerTimeoutError(
                f"{self.url} did not answer within {timeout:g} s; nothing may be taken as allowed") from error
        except http.client.HTTPException as error:
            if isinstance(error, http.client.RemoteDisconnected):
                raise self._unreachable() from error
            raise ResponseError(f"{self.url} does not speak HTTP; check the URL") from error
        except OSError as error:
            raise self._unreachable() from error
        finally:
            connection.close()
        answer = _parse(text)
        # A redirect is not followed: a signed request is for one place.
        if not 200 <= response.status < 300:
            raise _refused(response, answer, self.now())
        if answer is None or any(not isinstance(answer.get(name), str) or not answer[name] for name in needed):
            raise ResponseError(f"the answer of {self.url} is not that of an OpenLeash server; check the URL", status=response.status)
        return answer

    def _connect(self, timeout: float) -> http.client.HTTPConnection:
        if self._secure:
            return http.client.HTTPSConnection(self._host or "", self._port, timeout=timeout, context=self._tls)
        return http.client.HTTPConnection(self._host or "", self._port, timeout=timeout)

    def _unreachable(self) -> UnreachableError:
        return UnreachableError(
            f"{self.url} cannot be reached; is the server started (openleash start), and is OPENLEASH_URL right?")


def _read(response: http.client.HTTPResponse, deadline: float) -> bytes:
    text = b""
    while True:
        piece = response.read1(65536)
        if not piece:
            return text
        text += piece
        if len(text) > _MAX_ANSWER:
            raise ResponseError("the answer is larger than 1 MiB; check the URL", status=response.status)
        if time.monotonic() > deadline:
            raise socket.timeout("the answer came too slowly")


def _parse(text: bytes) -> Optional[Dict[str, Any]]:
    try:
        value = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _refused(response: http.client.HTTPResponse, answer: Optional[Dict[str, Any]], now: datetime) -> OpenLeashError:
    """Make an error of an answer that is not 2xx. It may be a page of some proxy."""
    told = (answer or {}).get("error")
    told = told if isinstance(told, dict) else {}
    status = response.status
    code = told["code"] if isinstance(told.get("code"), str) else ""
    message = told.get("message") or f"the server answers with HTTP status {status}"
    if status >= 500:
        return ServerError(f"{message}; look at the server's log and at GET /v1/health", code=code, status=status)
    if 300 <= status < 400:
        place = response.getheader("Location") or "another place"
        return ResponseError(f"the server redirects to {place}; set the URL to where the API is", code=code, status=status)
    if code == "TIMESTAMP_SKEW":
        return ClockSkewError(_skew(response.getheader("Date"), now), code=code, status=status)
    if code in ("INVALID_SIGNATURE", "INVALID_KEY"):
        return InvalidKeyError(f"{message}; check that the private key belongs to the agent id", code=code, status=status)
    error = RequestError(message, code=code, status=status)
    if status == 429:
        try:
            error.retry_after = max(float(response.getheader("Retry-After") or 0), 0)
        except ValueError:
            pass  # a date: the usual pause does
    return error


def _skew(date: Optional[str], now: datetime) -> str:
    try:
        seconds = round((now - parsedate_to_datetime(date or "")).total_seconds())
    except (TypeError, ValueError):
        return "the clocks differ too much; set this machine's clock"
    return f"this machine's clock is {abs(seconds)} s {'behind' if seconds < 0 else 'ahead of'} the server's; set it"
