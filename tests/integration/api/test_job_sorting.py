"""Orders, filters and counts of the list of jobs."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from fixtures.api.running_api import Api, Tenant, new_tenant
from fixtures.worker.recorded_jobs import new_job
from samfleet.db.session import transaction
from samfleet_api.jobs.sorting import JobSort
from samfleet_api.pagination import encode_cursor

SECONDS = {"b": None, "A": 5, "ß shelf": 0, None: 70}  # durations by name; None: not ended


@pytest.fixture(scope="module")
def jobs(api: Api) -> Iterator[Tenant]:
    """Jobs whose order differs from column to column."""
    folder: Path = api.root / uuid.uuid4().hex
    folder.mkdir()
    times = "started_at = created_at, finished_at = created_at + make_interval(secs => :seconds)"
    with new_tenant(api) as tenant:
        for number, (name, seconds) in enumerate(SECONDS.items()):
            job = new_job(tenant, folder, images=1, name=name, labels={"round": str(number % 2)})
            if seconds is None:
                continue
            tenant.http.post(f"/v1/jobs/{job['id']}/cancel")
            with transaction(api.engine) as session:
                session.execute(text(f"UPDATE jobs SET {times} WHERE id = :id"), {"seconds": seconds, "id": job["id"]})
        yield tenant


def names(tenant: Tenant, limit: int = 1, **parameters: Any) -> list[str | None]:
    """Return the names of all matching jobs, read in pages."""
    found: list[str | None] = []
    cursor: dict[str, str] = {}
    while True:
        answer = tenant.http.get("/v1/jobs", params={"limit": limit, **parameters, **cursor})
        page = answer.raise_for_status().json()
        found += [job["name"] for job in page["items"]]
        if page["next"] is None:
            return found
        cursor = {"cursor": page["next"]}


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("created_at", ["b", "A", "ß shelf", None]),
        ("duration", ["b", "ß shelf", "A", None]),
        ("finished_at", ["ß shelf", "A", None, "b"]),
    ],
)
def test_pages_of_one_job_follow_the_order_in_both_directions(jobs: Tenant, sort: str, order: list[str | None]) -> None:
    assert names(jobs, sort=sort) == order
    assert names(jobs, sort=f"-{sort}") == order[::-1]
    assert names(jobs, 100, sort=sort) == order


def test_names_are_sorted_without_regard_to_case(jobs: Tenant) -> None:
    found = names(jobs, sort="name")
    assert found[:3] == [None, "A", "b"]
    assert found == names(jobs, sort="-name")[::-1]


def test_states_are_grouped(jobs: Tenant) -> None:
    assert names(jobs, sort="-state")[0] == "b"  # the only one that is queued
    assert len(names(jobs, sort="state")) == len(SECONDS)


def test_a_filter_applies_in_every_order(jobs: Tenant) -> None:
    for sort in JobSort:
        assert set(names(jobs, sort=sort.value, label="round:0")) == {"b", "ß shelf"}
        assert set(names(jobs, sort=sort.value, state=["queued", "cancelled"])) == set(SECONDS)
        assert names(jobs, sort=sort.value, state="queued") == ["b"]


def test_jobs_are_counted_by_the_same_filter(jobs: Tenant, other_tenant: Tenant) -> None:
    def count(**parameters: Any) -> dict[str, Any]:
        counted: dict[str, Any] = jobs.http.get("/v1/job-count", params=parameters).json()
        return counted

    assert count() == {"count": 4, "is_exact": True}
    assert count(state=["queued", "running"]) == {"count": 1, "is_exact": True}
    assert count(label="round:1", state="cancelled") == {"count": 2, "is_exact": True}
    assert count(q="nothing has this") == {"count": 0, "is_exact": True}
    assert other_tenant.http.get("/v1/job-count").json()["count"] == 0


def test_a_cursor_opens_no_other_list(jobs: Tenant) -> None:
    page = jobs.http.get("/v1/jobs", params={"limit": 1, "sort": "name"}).json()
    id_ = str(uuid.uuid4())
    wrong = [
        page["next"],
        encode_cursor("-created_at", "yesterday", id_),
        encode_cursor("-created_at", "2026-11-22T00:00:00", id_),
        encode_cursor("-created_at", "2026-11-22T00:00:00+00:00", "1"),
        encode_cursor("-created_at", id_),
    ]
    for cursor in wrong:
        answer = jobs.http.get("/v1/jobs", params={"cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (422, "cursor_invalid"), cursor
    for sort, key in (("name", "zz"), ("name", "00"), ("state", "nothing"), ("duration", "1e9"), ("duration", "nan")):
        cursor = encode_cursor(sort, key, id_)
        answer = jobs.http.get("/v1/jobs", params={"sort": sort, "cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (422, "cursor_invalid"), cursor
    assert jobs.http.get("/v1/jobs", params={"sort": "images"}).json()["code"] == "payload_invalid"
