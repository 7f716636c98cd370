"""Notice of a cloud that it takes this machine back: the worker hands its shards back and takes no more.

| cloud | asked | notice |
|---|---|---|
| `aws` | `/latest/meta-data/spot/instance-action` of the instance's metadata, with a token of version 2 | two minutes |
| `gcp` | `/computeMetadata/v1/instance/preempted` | 30 s |
| `azure` | `/metadata/scheduledevents`, events `Preempt` and `Terminate` | 30 s |

Sources: "Spot Instance interruption notices" of Amazon EC2, "Preemptible VM instances" of Compute Engine, "Scheduled
Events for Linux VMs" of Azure. In Kubernetes a node's termination handler sends SIGTERM instead, which does the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import httpx

from samfleet.logging import get_logger
from samfleet_worker.bootstrap import Services
from samfleet_worker.periodic import PeriodicThread

log = get_logger(__name__)

INTERVAL_SECONDS = 5.0
TIMEOUT_SECONDS = 2.0
TOKEN_SECONDS = 300
LINK_LOCAL = "http://169.254.169.254"

Ask = Callable[[httpx.Client], bool]


def _aws(client: httpx.Client) -> bool:
    headers = {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_SECONDS)}
    token = client.put("/latest/api/token", headers=headers).raise_for_status().text
    reply = client.get("/latest/meta-data/spot/instance-action", headers={"X-aws-ec2-metadata-token": token})
    if reply.status_code == httpx.codes.NOT_FOUND:  # there is no such document before the notice
        return False
    reply.raise_for_status()
    return True


def _gcp(client: httpx.Client) -> bool:
    reply = client.get("/computeMetadata/v1/instance/preempted", headers={"Metadata-Flavor": "Google"})
    return reply.raise_for_status().text.strip() == "TRUE"


def _azure(client: httpx.Client) -> bool:
    reply = client.get("/metadata/scheduledevents?api-version=2020-07-01", headers={"Metadata": "true"})
    events = reply.raise_for_status().json().get("Events", [])
    return any(event.get("EventType") in {"Preempt", "Terminate"} for event in events)


CLOUDS: Mapping[str, tuple[str, Ask]] = {
    "aws": (LINK_LOCAL, _aws),
    "gcp": ("http://metadata.google.internal", _gcp),
    "azure": (LINK_LOCAL, _azure),
}


class SpotNotice:
    """Look at a cloud's metadata service; `stop_consuming` is called once, with the first notice."""

    def __init__(self, services: Services, cloud: str, stop_consuming: Callable[[], object], url: str = "") -> None:
        address, self._ask = CLOUDS[cloud]
        self._cloud = cloud
        self._stopping = services.stopping
        self._stop_consuming = stop_consuming
        # a proxy would ask for another machine than this one
        self._client = httpx.Client(base_url=url or address, timeout=TIMEOUT_SECONDS, trust_env=False)
        self._unreachable = False

    def look(self) -> None:
        if self._stopping.is_set():
            return
        try:
            noticed = self._ask(self._client)
        except (httpx.HTTPError, ValueError) as error:
            if not self._unreachable:
                log.warning("spot.not_asked", cloud=self._cloud, reason=str(error) or type(error).__name__)
            self._unreachable = True
            return
        self._unreachable = False
        if noticed:
            log.warning("spot.notice", cloud=self._cloud)
            self._stopping.set()  # running shards are handed back at once
            self._stop_consuming()


def spot_watch(services: Services, cloud: str, stop_consuming: Callable[[], object], url: str = "") -> PeriodicThread:
    notice = SpotNotice(services, cloud, stop_consuming, url)
    return PeriodicThread("spot-notice", INTERVAL_SECONDS, notice.look, "spot.not_asked")
