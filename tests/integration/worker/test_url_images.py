"""Shards whose images are at HTTP addresses."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from fixtures.images.encoded_images import bright_square
from fixtures.servers.file_server import FileServer, Served
from fixtures.worker.job_rows import results_of, shards_of, start_job
from fixtures.worker.worker_services import make_services
from samfleet.datasets import url_sources
from samfleet.datasets.url_sources import url_uri
from samfleet.db.models import ShardState
from samfleet_worker.bootstrap import Services
from samfleet_worker.pipeline import segment_shard
from samfleet_worker.triton.memory_segmenter import SIDE, MemorySegmenter


def services_for(engine: Engine, server: FileServer, **settings: object) -> Services:
    host = server.url.removeprefix("http://")
    return make_services(
        engine, MemorySegmenter(), url_sources=(host,), url_private_addresses=("127.0.0.0/8",), **settings
    )


def test_faults_of_urls_fail_their_image_and_no_other(engine: Engine, file_server: FileServer) -> None:
    picture = bright_square(SIDE, SIDE)
    file_server.files |= {
        "/a.png": Served(picture),
        "/new.png": Served(picture, etag='"v2"'),
        "/private.png": Served(b"", 403),
        "/inside.png": Served(b"", 302, location="http://169.254.169.254/latest"),
        "/page.png": Served(b"<html>", content_type="image/png"),
        "/z.png": Served(picture),
    }
    services = services_for(engine, file_server)
    names = ("a", "new", "gone", "private", "inside", "page", "z")
    uris = [url_uri(f"{file_server.url}/{name}.png", "v1" if name == "new" else None) for name in names]
    run = start_job(engine, services.queue, len(uris), uris=uris, shard_size=8)
    for shard in shards_of(engine, run):
        segment_shard(services, shard.id)
    codes = {name: result.error_code for name, result in zip(names, results_of(engine, run), strict=True)}
    assert codes["page"] is None  # the double of Triton decodes nothing
    assert codes["a"] is codes["z"] is None
    assert [codes[name] for name in ("new", "gone", "private", "inside")] == [
        "source_changed",
        "image_missing",
        "source_forbidden",
        "redirect_forbidden",
    ]


def test_a_server_that_does_not_answer_delays_the_shard_and_then_fails_the_image(
    engine: Engine, file_server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(url_sources, "FIRST_PAUSE_SECONDS", 0.0)
    file_server.files["/a.png"] = Served(b"", 503)
    patient = services_for(engine, file_server)
    run = start_job(engine, patient.queue, 1, uris=[f"{file_server.url}/a.png"])
    segment_shard(patient, shards_of(engine, run)[0].id)
    shard = shards_of(engine, run)[0]
    assert (shard.state, shard.attempts, shard.waits) == (ShardState.PENDING, 0, 1)
    assert "answers with the status 503" in (shard.last_error or "")
    assert results_of(engine, run) == []
    hasty = services_for(engine, file_server, url_retry_for=0)
    other = start_job(engine, hasty.queue, 2, uris=[f"{file_server.url}/{name}.png" for name in "ab"])
    segment_shard(hasty, shards_of(engine, other)[0].id)
    assert [result.error_code for result in results_of(engine, other)] == ["source_unavailable", "image_missing"]
