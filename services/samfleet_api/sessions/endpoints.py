"""How the dashboard logs in and out. Programs send their key with every request and need none of this."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, StringConstraints

from samfleet.db.session import read_only
from samfleet.errors import Unauthorized
from samfleet_api.dependencies import EngineValue, WriteSessionValue, client_address
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


class Login(RequestModel):
    key: Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True)]


class SessionView(BaseModel):
    tenant: str
    key_name: str
    expires_at: datetime
    csrf_token: str


class SessionMissing(Unauthorized):
    """Nobody is logged in with this browser, or the session is over; log in with an API key."""

    code = "session_missing"


@router.post("", status_code=204)
def log_in(body: Login, request: Request, session: WriteSessionValue) -> Response:
    """Takes JSON alone, which no form of another site can send: nobody is logged in as somebody else unawares."""
    if (former := request.cookies.get(COOKIE)) is not None:
        repository.close_session(session, former)
    token = new_token()
    if not repository.open_session(session, body.key, token, LIFETIME):
        wrong_keys: WrongKeys = request.app.state.wrong_keys
        wrong_keys.count(client_address(request))
        raise Unauthorized("this API key is unknown or revoked; paste a valid one")
    response = Response(status_code=204)
    set_cookie(request, response, token)
    return response


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
    """Logging out twice is no error."""
    response = Response(status_code=204)
    if (token := request.cookies.get(COOKIE)) is not None:
        require_csrf(request, token)
        repository.close_session(session, token)
    remove_cookie(response)
    return response
