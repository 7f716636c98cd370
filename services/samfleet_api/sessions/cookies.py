"""The cookie of a browser that is logged in, and the token without which it may change nothing.

A browser adds its cookies to requests that other sites make it send. `SameSite=Strict` stops that in present
browsers; what stops it in all of them is a second secret, which only a page of ours can read and has to repeat in a
header: OWASP, Cross-Site Request Forgery Prevention Cheat Sheet, "signed double-submit".
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
LIFETIME = timedelta(hours=12)  # a working day; logging in again is pasting a key
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class CsrfTokenInvalid(Forbidden):
    """Requests with the session cookie that change something carry `X-CSRF-Token`; GET /dashboard/session tells it."""

    code = "csrf_token_invalid"


def new_token() -> str:
    return secrets.token_urlsafe(32)


def csrf_token(token: str) -> str:
    """Follows from the session's token, which no script can read, and says nothing about it."""
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
