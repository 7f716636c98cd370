"""Dependencies of endpoints, declared by type. Plain look-ups are coroutines, which need no thread.

Sessions end before the response is sent (`scope="function"`): a client that has a response can rely on the commit, and
a failed commit becomes an error instead of a false 201.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Annotated, NewType

from fastapi import Depends, Request, Security
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import Engine
from sqlalchemy.orm import Session
from structlog.contextvars import bind_contextvars

from samfleet.config import Settings
from samfleet.datasets.content import Remote
from samfleet.datasets.s3_sources import S3Sources
from samfleet.db.actors import act_for_key
from samfleet.db.models import Scope
from samfleet.db.session import read_only, transaction
from samfleet.errors import Forbidden, Unauthorized
from samfleet.jobs.queue import TaskQueue
from samfleet.storage.store import ObjectStore
from samfleet_api.keys.repository import Caller, caller_of_key, mark_used
from samfleet_api.request_rates import RequestRates
from samfleet_api.sessions.cookies import COOKIE, SAFE_METHODS, require_csrf
from samfleet_api.sessions.repository import find_session
from samfleet_api.sessions.wrong_keys import WrongKeys

ReadSession = NewType("ReadSession", Session)
WriteSession = NewType("WriteSession", Session)

SCOPE_EXTENSION = "x-samfleet-scope"  # of an operation in the OpenAPI document

bearer = HTTPBearer(
    auto_error=False, description="An API key. It gives access only to its tenant's datasets, jobs and runs."
)


async def get_settings(request: Request) -> Settings:
    settings: Settings = request.state.settings
    return settings


async def get_engine(request: Request) -> Engine:
    engine: Engine = request.state.engine
    return engine


async def get_store(request: Request) -> ObjectStore:
    store: ObjectStore = request.state.store
    return store


async def get_queue(request: Request) -> TaskQueue:
    queue: TaskQueue = request.state.queue
    return queue


async def get_s3(request: Request) -> S3Sources:
    sources: S3Sources = request.app.state.s3
    return sources


async def get_remote(request: Request) -> Remote:
    """Return the readers of frames, and of images in buckets and at URLs."""
    state = request.app.state
    return {**state.s3.readers, **state.urls.readers, **request.state.frames}


SettingsValue = Annotated[Settings, Depends(get_settings)]
EngineValue = Annotated[Engine, Depends(get_engine)]
StoreValue = Annotated[ObjectStore, Depends(get_store)]
QueueValue = Annotated[TaskQueue, Depends(get_queue)]
S3Value = Annotated[S3Sources, Depends(get_s3)]
RemoteValue = Annotated[Remote, Depends(get_remote)]


def get_read_session(engine: EngineValue) -> Iterator[ReadSession]:
    with read_only(engine) as session:
        yield ReadSession(session)


def get_write_session(engine: EngineValue) -> Iterator[WriteSession]:
    with transaction(engine) as session:
        yield WriteSession(session)


class ScopeRequired(Forbidden):
    """This needs a key with the scope `submit`, and yours may only read; ask an administrator for another key."""

    code = "scope_required"


class TenantDisabled(Forbidden):
    """The tenant of this key is disabled; ask the operator of this server."""

    code = "tenant_disabled"


class AdminRequired(Forbidden):
    """This needs an admin key; ask the operator of this server for one."""

    code = "admin_required"


def current_caller(
    request: Request, engine: EngineValue, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)]
) -> Caller:
    """Authenticate by API key or by session cookie. Uses separate short transactions, because the request may wait for
    storage afterwards.
    """
    if credentials is None:
        caller = _caller_of_browser(request, engine)
    else:
        caller = _caller_of_key(request, engine, credentials.credentials)
    bind_contextvars(tenant_id=str(caller.tenant_id), key_id=str(caller.key_id))
    request.state.caller = str(caller.key_id)
    rates: RequestRates = request.app.state.rates
    request.state.allowances = rates.count(caller)
    for allowance in request.state.allowances:
        allowance.require()
    _require_rights(caller, request.scope["route"])
    if caller.use_is_old:
        with transaction(engine) as session:
            mark_used(session, caller.key_id)
    return caller


async def current_tenant(caller: Annotated[Caller, Depends(current_caller)]) -> uuid.UUID:
    """Return the caller's tenant, and name its key as the actor of the request.

    A coroutine runs in the context of the request, which the endpoint inherits; a thread would have its own copy.
    """
    act_for_key(caller.key_id)
    return caller.tenant_id


def require_admin(caller: Annotated[Caller, Depends(current_caller)]) -> Caller:
    if not caller.is_admin:
        raise AdminRequired
    return caller


def scope_of(route: APIRoute) -> Scope:
    """Return the scope that a route needs: what it states, or `read` for GET and `submit` for all others.

    A new route that changes something is so closed to keys that may only read, without being told.
    """
    stated = (route.openapi_extra or {}).get(SCOPE_EXTENSION)
    if stated is not None:
        return Scope(stated)
    if _calls(route.dependant, require_admin):
        return Scope.ADMIN
    return Scope.READ if (route.methods or set()) <= SAFE_METHODS else Scope.SUBMIT


def _calls(dependant: Dependant, dependency: Callable[..., object]) -> bool:
    return dependant.call is dependency or any(_calls(inner, dependency) for inner in dependant.dependencies)


def _require_rights(caller: Caller, route: APIRoute) -> None:
    if caller.tenant_is_disabled:
        raise TenantDisabled
    needed = scope_of(route)
    if not caller.scope.covers(needed):
        raise AdminRequired if needed is Scope.ADMIN else ScopeRequired


def _caller_of_key(request: Request, engine: Engine, key: str) -> Caller:
    with read_only(engine) as session:
        caller = caller_of_key(session, key)
    if caller is None:
        wrong_keys: WrongKeys = request.app.state.wrong_keys
        wrong_keys.count(client_address(request))
        raise Unauthorized(
            "this API key is unknown, expired or revoked; send a valid one as `Authorization: Bearer <key>`"
        )
    return caller


def _caller_of_browser(request: Request, engine: Engine) -> Caller:
    token = request.cookies.get(COOKIE)
    if token is None:
        raise Unauthorized
    with read_only(engine) as session:
        found = find_session(session, token)
    if found is None:
        raise Unauthorized("this session has expired; log in at /dashboard/login")
    require_csrf(request, token)
    return found.caller


def client_address(request: Request) -> str:
    """Return the client's address; behind a proxy in `SAMFLEET_TRUSTED_PROXIES`, the address that the proxy reports."""
    return request.client.host if request.client else ""


ReadSessionValue = Annotated[ReadSession, Depends(get_read_session, scope="function")]
WriteSessionValue = Annotated[WriteSession, Depends(get_write_session, scope="function")]
CallerValue = Annotated[Caller, Depends(current_caller)]
TenantId = Annotated[uuid.UUID, Depends(current_tenant)]
Admin = Annotated[Caller, Depends(require_admin)]


async def refuse_unknown_parameters(request: Request) -> None:
    """Reject unknown query parameters: a misspelt `?fromat=jsonl` must not be ignored."""
    route = request.scope["route"]
    known = _query_names(route.dependant) if isinstance(route, APIRoute) else set()
    if unknown := sorted(set(request.query_params) - known):
        errors = [
            {"type": "extra_forbidden", "loc": ("query", name), "msg": _unknown(known), "input": None}
            for name in unknown
        ]
        raise RequestValidationError(errors)


def _unknown(known: set[str]) -> str:
    return f"unknown parameter; known are {', '.join(sorted(known))}" if known else "this route takes no parameters"


def _query_names(dependant: Dependant) -> set[str]:
    names = {field.alias for field in dependant.query_params}
    return names.union(*(_query_names(inner) for inner in dependant.dependencies))
