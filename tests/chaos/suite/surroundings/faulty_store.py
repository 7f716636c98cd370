"""An S3 server behind a proxy that refuses requests at random."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from chaos.suite.failure import wait_for
from chaos.suite.surroundings.refusing_proxy import RefusingProxy
from chaos.suite.surroundings.surrounding import EVERYWHERE, Place, Surroundings
from fixtures.servers.chaos_stack import ChaosStack
from fixtures.servers.triton import free_ports
from samfleet.storage.factory import S3Options, connect_s3, open_store
from samfleet.storage.store import ObjectStore

BUCKET = "chaos"
SHARE = 0.1  # of the requests that are refused
REQUESTS = 40  # that a strike refuses in a row: a client sends each three times
READY_SECONDS = 60.0
KEYS = {"AWS_ACCESS_KEY_ID": "chaos", "AWS_SECRET_ACCESS_KEY": "chaos", "AWS_DEFAULT_REGION": "us-east-1"}


@contextmanager
def faulty_store(place: Place) -> Iterator[Surroundings]:
    """Surroundings whose parts reach their store only through the proxy. The suite reads it directly."""
    (port,) = free_ports(1)
    options = S3Options(f"http://127.0.0.1:{port}", "us-east-1", "chaos", "chaos")
    argv = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with (place.folder / "s3.log").open("wb") as log:
        server = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        wait_for("the S3 server", lambda: _has_bucket(options), READY_SECONDS)
        with RefusingProxy(port, place.seed, SHARE) as proxy:

            def refuse(_stack: ChaosStack, _target: str) -> bool:
                proxy.refuse_next(REQUESTS)
                return True

            yield Surroundings(
                settings={
                    "SAMFLEET_STORAGE_URL": f"s3://{BUCKET}/results",
                    "SAMFLEET_S3_ENDPOINT_URL": f"http://127.0.0.1:{proxy.port}",
                    **KEYS,
                },
                hits={**EVERYWHERE, "refuse": refuse},
                calm=proxy.calm,
                open_store=lambda stack: _open(stack, options),
            )
    finally:
        server.terminate()
        server.wait(READY_SECONDS)


def _has_bucket(options: S3Options) -> bool:
    try:
        connect_s3(options).create_bucket(Bucket=BUCKET)
    except (BotoCoreError, ClientError):  # it does not listen yet
        return False
    return True


def _open(stack: ChaosStack, options: S3Options) -> ObjectStore:
    return open_store(
        stack.samfleet.info.storage_url,
        s3_endpoint_url=options.endpoint_url,
        s3_region=options.region,
        s3_access_key_id=options.access_key_id,
        s3_secret_access_key=options.secret_access_key,
    )
