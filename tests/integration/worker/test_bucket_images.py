"""Shards whose images lie in a bucket."""

from __future__ import annotations

from sqlalchemy import Engine

from fixtures.images.encoded_images import bright_square
from fixtures.servers.s3_server import Buckets
from fixtures.worker.job_rows import results_of, shards_of, start_job
from fixtures.worker.worker_services import make_services
from samfleet.datasets.s3_sources import S3Image
from samfleet.db.models import ShardState
from samfleet_worker.pipeline import segment_shard
from samfleet_worker.triton.memory_segmenter import SIDE, MemorySegmenter

KEYS = ("a.png", "changed.png", "gone.png", "private.png", "z.png")


def images(buckets: Buckets) -> list[S3Image]:
    """Return images as listed; afterwards one changes, one is removed and one becomes private."""
    picture = bright_square(SIDE, SIDE)
    bucket = buckets.make(dict.fromkeys(KEYS, picture))
    etag = buckets.client.head_object(Bucket=bucket, Key="a.png")["ETag"]
    buckets.client.put_object(Bucket=bucket, Key="changed.png", Body=b"other", ACL="public-read")
    buckets.client.delete_object(Bucket=bucket, Key="gone.png")
    buckets.client.put_object(Bucket=bucket, Key="private.png", Body=picture)
    return [S3Image("main", bucket, key, etag) for key in KEYS]


def test_faults_of_objects_fail_their_image_and_no_other(engine: Engine, buckets: Buckets) -> None:
    listed = images(buckets)
    profile = buckets.profile(listed[0].bucket)
    services = make_services(engine, MemorySegmenter(), s3_sources={"main": profile})
    run = start_job(engine, services.queue, len(listed), uris=[image.uri for image in listed], shard_size=8)
    for shard in shards_of(engine, run):
        segment_shard(services, shard.id)
    codes = [result.error_code for result in results_of(engine, run)]
    assert codes == [None, "source_changed", "image_missing", "source_forbidden", None]


def test_an_endpoint_that_is_away_costs_no_attempt_and_fails_no_image(engine: Engine, buckets: Buckets) -> None:
    away = buckets.profile("photos").model_copy(update={"endpoint": "http://127.0.0.1:1"})
    services = make_services(engine, MemorySegmenter(), s3_sources={"main": away})
    run = start_job(engine, services.queue, 1, uris=[S3Image("main", "photos", "a.png", '"e"').uri])
    segment_shard(services, shards_of(engine, run)[0].id)
    shard = shards_of(engine, run)[0]
    assert (shard.state, shard.attempts, shard.waits) == (ShardState.PENDING, 0, 1)
    assert "storage_unavailable: s3://photos/a.png" in (shard.last_error or "")
    assert results_of(engine, run) == []


def test_a_bucket_that_is_not_allowed_any_more_fails_no_image(engine: Engine, buckets: Buckets) -> None:
    listed = images(buckets)[0]
    services = make_services(engine, MemorySegmenter(), s3_sources={"main": buckets.profile("another")})
    run = start_job(engine, services.queue, 1, uris=[listed.uri])
    segment_shard(services, shards_of(engine, run)[0].id)
    shard = shards_of(engine, run)[0]
    assert (shard.state, shard.attempts) == (ShardState.PENDING, 1)
    assert "bucket_not_allowed" in (shard.last_error or "")
