"""Responses are sent after the commit; by default FastAPI ends `yield` dependencies after the response."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, event, text

from fixtures.api.no_tls import NO_TLS
from fixtures.api.running_api import Api, Parts, Tenant, api_settings, new_tenant, serve
from fixtures.worker.recorded_jobs import new_job
from samfleet_api.app import create_app
from samfleet_api.dependencies import WriteSessionValue

REFUSE_AT_COMMIT = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused at the commit'; END $$;
CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON jobs DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (NEW.name = 'refused') EXECUTE FUNCTION refuse();
"""


def test_a_response_is_sent_after_the_commit(tenant: Tenant, folder: Path) -> None:
    for _ in range(5):
        job = new_job(tenant, folder, images=1)
        with httpx.Client(
            base_url=str(tenant.http.base_url), headers=tenant.http.headers, verify=NO_TLS
        ) as another_connection:
            assert another_connection.get(f"/v1/jobs/{job['id']}").status_code == 200


@pytest.fixture
def own_api(api: Api, engine: Engine, tmp_path: Path) -> Iterator[Api]:
    """A server with a separate database that a test may break."""
    parts = Parts(engine, api.store)
    app = create_app(api_settings(tmp_path), parts=parts)
    with serve(app) as url:
        yield Api(url, app, engine, api.store, parts.queue, tmp_path)


def test_a_failed_commit_is_an_error_and_sends_no_task(own_api: Api) -> None:
    with own_api.engine.begin() as connection:
        connection.execute(text(REFUSE_AT_COMMIT))
    with new_tenant(own_api) as tenant:
        job = new_job(tenant, own_api.root, images=1)
        sent = len(own_api.queue.sent)
        body = {"dataset_id": job["dataset_id"], "variants": ["mobile_sam"], "task": {"kind": "everything"}}
        answer = tenant.http.post("/v1/jobs", json={**body, "name": "refused"})
        assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
        assert len(own_api.queue.sent) == sent
        assert len(tenant.http.get("/v1/jobs").json()["items"]) == 1


def test_a_broker_that_is_down_does_not_lose_the_job(own_api: Api) -> None:
    own_api.queue.down = True
    with new_tenant(own_api) as tenant:
        job = new_job(tenant, own_api.root, images=1)
        assert tenant.http.get(f"/v1/jobs/{job['id']}").json()["state"] == "queued"


def test_every_session_dependency_ends_with_the_endpoint(api: Api) -> None:
    """A separate route shows the trap: by default the exit of the dependency runs too late."""
    from fastapi.routing import APIRoute

    app = FastAPI()

    @app.get("/")
    def endpoint(session: WriteSessionValue) -> None: ...

    (route,) = [route for route in app.routes if isinstance(route, APIRoute)]
    assert [dependency.scope for dependency in route.dependant.dependencies] == ["function"]


def test_an_unavailable_database_is_503(own_api: Api) -> None:
    own_api.engine.dispose()
    url = own_api.engine.url.set(database=f"gone_{uuid.uuid4().hex}")

    @event.listens_for(own_api.engine, "do_connect")
    def connect_elsewhere(_dialect: object, _record: object, _args: object, options: dict[str, object]) -> None:
        options["dbname"] = url.database

    with httpx.Client(base_url=own_api.url, headers={"Authorization": "Bearer any"}, verify=NO_TLS) as http:
        answer = http.get("/v1/jobs")
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        assert "gone_" not in answer.text
        readiness = http.get("/readyz")
        assert readiness.status_code == 503
        assert readiness.json()["status"] == "not_ready"
        assert readiness.json()["checks"]["database"]["ok"] is False
        assert readiness.json()["checks"]["storage"]["ok"] is True
        assert http.get("/healthz").status_code == 200
