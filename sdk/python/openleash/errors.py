"""What can go wrong, a class each."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .client import ApprovalRequest, Decision


class OpenLeashError(Exception):
    """What went wrong between this program and the server. Its class says which; its text what to do."""

    def __init__(self, message: str, *, code: str = "", status: int = 0) -> None:
        super().__init__(f"{message} ({code})" if code else message)
        self.code = code  # the server's, such as NO_POLICY; empty if it gave none
        self.status = status  # HTTP status; 0 without an answer
        self.retry_after = 0.0  # seconds


class UnreachableError(OpenLeashError):
    """No connection to the server."""


class ServerTimeoutError(OpenLeashError):
    """The server did not answer in time."""


class ServerError(OpenLeashError):
    """HTTP 5xx."""


class ResponseError(OpenLeashError):
    """An answer that is not JSON, not the protocol, or not to what was asked."""


class ClockSkewError(OpenLeashError):
    """This machine's clock is wrong, or the server's."""


class InvalidKeyError(OpenLeashError):
    """A key of the wrong kind, or one that the server does not take."""


class RequestError(OpenLeashError):
    """A request that cannot be made, or any other HTTP 4xx; code says why."""


class NotAllowedError(OpenLeashError):
    """A decision other than ALLOW where an ALLOW was needed."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(f"{decision.action_type} is not allowed: {decision.result}: {decision.reason}")
        self.decision = decision


class ApprovalError(OpenLeashError):
    """An approval request that did not lead to a yes: denied, expired, or not decided in time."""

    def __init__(self, request: ApprovalRequest) -> None:
        if request.status == "DENIED":
            message = f"the owner denied the request {request.id}: {request.deny_reason}"
        elif request.status == "PENDING":
            message = f"the owner has not decided the request {request.id} yet; wait for it again later"
        else:
            message = f"the request {request.id} is {request.status}; ask again with a new action"
        super().__init__(message)
        self.request = request


class VerifyError(OpenLeashError):
    """A token that does not hold. reason is one of MALFORMED, UNKNOWN_KEY, REVOKED_KEY, BAD_SIGNATURE,
    WRONG_PURPOSE, NOT_YET_VALID, EXPIRED and ACTION_, AGENT_, AUDIENCE_, AMOUNT_, CURRENCY_MISMATCH,
    ONLINE_ONLY, ALREADY_REDEEMED and REPLAY_CACHE_FULL, or what the server says. code is the same."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"the token is not valid: {message}", code=reason)
        self.reason = reason
