"""Login and logout of the dashboard. Programs do not need it: they send their key with every request."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy.orm import Session

from samfleet.db.models import Scope
from samfleet.db.session import read_only
from samfleet.errors import Forbidden, Unauthorized
from samfleet_api.dependencies import (
    SCOPE_EXTENSION,
    EngineValue,
    WriteSessionValue,
    bearer,
    client_address,
    current_caller,
)
from samfleet_api.keys.repository import Caller
from samfleet_api.problems import problems
from samfleet_api.schemas import RequestModel
from samfleet_api.sessions import repository
from samfleet_api.sessions.cookies import (
    COOKIE,
    LIFETIME,
    csrf_token,
    new_token,
    remove_cookie,
    require_csrf,
    set_cookie,
)
from samfleet_api.sessions.wrong_keys import WrongKeys
from samfleet_api.strict_json import StrictJsonRoute

router = APIRouter(prefix="/dashboard/session", include_in_schema=False, route_class=StrictJsonRoute)


links = APIRouter(prefix="/v1/login-links", tags=["keys"])

LINK_LIFETIME = timedelta(minutes=5)


class Login(RequestModel):
    key: Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True)]


class LinkLogin(RequestModel):
    token: Annotated[str, StringConstraints(min_length=1, max_length=100)]


class LoginLink(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"path": "/dashboard/login#token=…", "expires_at": "2026-11-22T08:05:00Z"}]}
    )

    path: str = Field(
        description="Path to open below this API's URL. Append `&next=/dashboard/…` to open a certain page."
    )
    expires_at: datetime


class SessionView(BaseModel):
    tenant: str
    key_name: str
    expires_at: datetime
    csrf_token: str


class LoginLinkInvalid(Unauthorized):
    """This login link was already used or is older than five minutes; create another with `samfleet open`."""

    code = "login_link_invalid"


class KeyRequired(Forbidden):
    """Creating login links needs an API key, not a browser session; send `Authorization: Bearer <key>`."""

    code = "key_required"


class SessionMissing(Unauthorized):
    """This browser is not logged in, or its session has expired; log in with an API key."""

    code = "session_missing"


@router.post("", status_code=204)
def log_in(body: Login, request: Request, session: WriteSessionValue) -> Response:
    """Log in with a key. The body must be JSON, which forms of other sites cannot send: that prevents login CSRF."""
    key_id = repository.key_of_secret(session, body.key)
    if key_id is None:
        _count_wrong(request)
        raise Unauthorized("this API key is unknown, expired or revoked, or its tenant is disabled; paste a valid one")
    return _logged_in(request, session, key_id)


@router.post("/link", status_code=204)
def log_in_with_link(body: LinkLogin, request: Request, session: WriteSessionValue) -> Response:
    """Log in with a link's token. JSON only, as above. The login page requires a click, so merely opening somebody's
    link logs nobody in.
    """
    key_id = repository.take_link(session, body.token)
    if key_id is None:
        _count_wrong(request)
        raise LoginLinkInvalid
    return _logged_in(request, session, key_id)


@links.post(
    "",
    status_code=201,
    summary="Create a link that logs a browser in",
    operation_id="key_create_login_link",
    openapi_extra={SCOPE_EXTENSION: Scope.READ.value},  # the browser gets the rights of the key
    responses=problems(KeyRequired),
)
def create_link(
    caller: Annotated[Caller, Depends(current_caller)],
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)],
    session: WriteSessionValue,
) -> LoginLink:
    """The link works once, within five minutes, with the access of the requesting key. Browser sessions cannot create
    links.
    """
    if credentials is None:
        raise KeyRequired
    token = new_token()
    expires_at = repository.add_link(session, caller.key_id, token, LINK_LIFETIME)
    return LoginLink(path=f"/dashboard/login#token={token}", expires_at=expires_at)


def _logged_in(request: Request, session: Session, key_id: uuid.UUID) -> Response:
    if (former := request.cookies.get(COOKIE)) is not None:
        repository.close_session(session, former)
    token = new_token()
    repository.open_session(session, key_id, token, LIFETIME)
    response = Response(status_code=204)
    set_cookie(request, response, token)
    return response


def _count_wrong(request: Request) -> None:
    wrong_keys: WrongKeys = request.app.state.wrong_keys
    wrong_keys.count(client_address(request))


@router.get("")
def read_session(request: Request, engine: EngineValue) -> SessionView:
    token = request.cookies.get(COOKIE, "")
    with read_only(engine) as session:
        found = repository.find_session(session, token)
    if found is None:
        raise SessionMissing
    return SessionView(
        tenant=found.tenant, key_name=found.key_name, expires_at=found.expires_at, csrf_token=csrf_token(token)
    )


@router.delete("", status_code=204)
def log_out(request: Request, session: WriteSessionValue) -> Response:
    """Close the session. Logging out twice is not an error."""
    response = Response(status_code=204)
    if (token := request.cookies.get(COOKIE)) is not None:
        require_csrf(request, token)
        repository.close_session(session, token)
    remove_cookie(response)
    return response
