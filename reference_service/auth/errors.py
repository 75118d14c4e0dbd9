"""The errors that a client of the auth service can see, in the shapes of RFC 6749, 6750 and 7009.

    ServiceError (the app's)
    ├── TimedOut, DatabaseUnavailable     504, 503   the database; nothing is granted
    └── OAuthError                        400        {error, error_description}
        ├── InvalidRequest                           malformed, missing or repeated parameters
        ├── InvalidClient                 401        unknown client or wrong secret
        ├── InvalidGrant                             code, refresh token or verifier that does not hold
        ├── UnauthorizedClient                       a grant that this client may not use
        ├── UnsupportedGrantType
        ├── InvalidScope
        ├── LoginFailed                   401        unknown user or wrong password, not told apart
        ├── TooManyAttempts               429        with Retry-After
        ├── InvalidToken                  401        a bearer token or API key that does not hold
        └── InsufficientScope             403

No message contains anything that the client presented.
"""

from __future__ import annotations

from typing import Any

from windtunnel.reference_service.errors import ServiceError


class OAuthError(ServiceError):
    """An error of the protocol: nothing was granted."""

    status, code, outcome = 400, "invalid_request", "rejected"

    def content(self) -> dict[str, Any]:
        return {"error": self.code, "error_description": str(self)}


class InvalidRequest(OAuthError):
    """Parameters are malformed, missing or given twice."""


class InvalidClient(OAuthError):
    """The client is unknown, or did not prove who it is."""

    status, code = 401, "invalid_client"
    headers = {"www-authenticate": 'Basic realm="windtunnel"'}


class InvalidGrant(OAuthError):
    """The code, the refresh token or the PKCE verifier does not hold."""

    code = "invalid_grant"


class UnauthorizedClient(OAuthError):
    """The client may not use this grant."""

    code = "unauthorized_client"


class UnsupportedGrantType(OAuthError):
    """A grant that this service does not know."""

    code = "unsupported_grant_type"


class InvalidScope(OAuthError):
    """More was asked for than the client may have."""

    code = "invalid_scope"


class LoginFailed(OAuthError):
    """Unknown user or wrong password; which of them is not told."""

    status, code = 401, "login_failed"


class TooManyAttempts(OAuthError):
    """This account or this address has tried too often."""

    status, code = 429, "too_many_attempts"

    def __init__(self, wait_s: int) -> None:
        super().__init__("too many attempts to log in")
        self.headers = {"retry-after": str(wait_s)}


class InvalidToken(OAuthError):
    """No credential, or one that does not hold (RFC 6750, section 3.1)."""

    status, code = 401, "invalid_token"
    headers = {"www-authenticate": 'Bearer realm="windtunnel", error="invalid_token"'}


class InsufficientScope(OAuthError):
    """A good credential that does not reach here; `scope` None means that nobody's does."""

    status, code = 403, "insufficient_scope"

    def __init__(self, scope: str | None) -> None:
        super().__init__("the credential does not cover this")
        needed = f', scope="{scope}"' if scope else ""
        self.headers = {"www-authenticate": f'Bearer realm="windtunnel", error="insufficient_scope"{needed}'}
