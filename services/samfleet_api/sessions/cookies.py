"""Session cookie and CSRF token of a logged-in browser.

Browsers also add cookies to requests that other sites cause. `SameSite=Strict` prevents that in current browsers. For
all browsers, unsafe requests must also repeat a second secret in a header, which only our own pages can read: OWASP,
Cross-Site Request Forgery Prevention Cheat Sheet, "signed double-submit".
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import timedelta

from fastapi import Request, Response

from samfleet.errors import Forbidden

COOKIE = "samfleet_session"
CSRF_HEADER = "X-CSRF-Token"
LIFETIME = timedelta(hours=12)  # a working day
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class CsrfTokenInvalid(Forbidden):
    """Unsafe requests with the session cookie need the header `X-CSRF-Token`; GET /dashboard/session returns it."""

    code = "csrf_token_invalid"


def new_token() -> str:
    return secrets.token_urlsafe(32)


def csrf_token(token: str) -> str:
    """Derive the CSRF token from the session token, which scripts cannot read and which it does not reveal."""
    return hmac.new(token.encode(), b"samfleet csrf", hashlib.sha256).hexdigest()


def require_csrf(request: Request, token: str) -> None:
    if request.method in SAFE_METHODS:
        return
    given = request.headers.get(CSRF_HEADER, "")
    if not hmac.compare_digest(given.encode(), csrf_token(token).encode()):
        raise CsrfTokenInvalid


def set_cookie(request: Request, response: Response, token: str) -> None:
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(LIFETIME.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )


def remove_cookie(response: Response) -> None:
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
