"""HTTP routes that Label Studio calls, and the command that serves them."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from pydantic import BaseModel, Field, ValidationError

from samfleet.client import Client
from samfleet.errors import SamfleetError
from samfleet_label_studio.backend import Backend, Task
from samfleet_label_studio.images import ImageSource
from samfleet_label_studio.interface import mask_tag
from samfleet_label_studio.settings import BackendSettings

BASIC = HTTPBasic(auto_error=False)


class Setup(BaseModel):
    """Label Studio's message when a project connects; `xml` is its labelling interface."""

    xml: str = Field(validation_alias="schema")


class PredictParams(BaseModel):
    """`context` has the regions that an annotator has just drawn, if the request is interactive."""

    context: dict[str, Any] | None = None


class Predict(BaseModel):
    """A request for predictions of tasks."""

    tasks: list[Task]
    label_config: str
    params: PredictParams = PredictParams()


def create_app(backend: Backend, *, user: str | None = None, password: str | None = None) -> FastAPI:
    """Return the routes. With a user, all but `/health` need it and the password by HTTP Basic."""
    app = FastAPI(title="samfleet for Label Studio", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_exception_handler(SamfleetError, _refused)
    known = [] if user is None else [Depends(_authentication(user, password or ""))]

    @app.get("/")
    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "UP", "model_class": "samfleet"}

    @app.post("/setup", dependencies=known)
    def setup(body: Setup) -> dict[str, str]:
        mask_tag(body.xml)
        return {"model_version": backend.variant}

    @app.api_route("/versions", methods=["GET", "POST"], dependencies=known)
    def versions() -> dict[str, list[str]]:
        return {"versions": [backend.variant]}

    @app.post("/predict", dependencies=known)
    def predict(body: Predict) -> dict[str, Any]:
        context = body.params.context
        if context is None:
            results = backend.annotate(body.tasks, body.label_config)
        else:
            results = [backend.segment(task, body.label_config, context) for task in body.tasks]
        return {"results": results, "model_version": backend.variant}

    @app.post("/webhook", dependencies=known)
    def webhook() -> dict[str, str]:
        """Accept events of Label Studio, which are about training, and change nothing."""
        return {"result": "this backend does not train"}

    return app


def _authentication(user: str, password: str) -> Callable[[HTTPBasicCredentials | None], None]:
    """Return a dependency that refuses requests of others."""

    def authenticate(given: Annotated[HTTPBasicCredentials | None, Depends(BASIC)]) -> None:
        sent = (given.username, given.password) if given else ("", "")
        same = [secrets.compare_digest(a.encode(), b.encode()) for a, b in zip(sent, (user, password), strict=True)]
        if not all(same):
            raise HTTPException(401, "wrong user or password", headers={"WWW-Authenticate": "Basic"})

    return authenticate


def _refused(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, SamfleetError)  # noqa: S101 - the handler is registered for it
    return JSONResponse({"code": error.code, "detail": error.message}, status_code=error.status_code)


def main() -> None:
    try:
        settings = BackendSettings()  # type: ignore[call-arg]  # pydantic reads the environment
    except ValidationError as error:
        wrong = "; ".join(f"{' '.join(map(str, one['loc'])).upper()} {one['msg']}" for one in error.errors())
        raise SystemExit(f"the backend needs other environment variables: {wrong}") from error
    images = ImageSource(
        settings.label_studio_url, settings.label_studio_api_key.get_secret_value(), settings.image_hosts
    )
    with Client() as client:
        backend = Backend(client, images, settings.variant, settings.task)
        secret = settings.basic_auth_pass
        app = create_app(backend, user=settings.basic_auth_user, password=secret.get_secret_value() if secret else None)
        uvicorn.run(app, host=settings.host, port=settings.port)
