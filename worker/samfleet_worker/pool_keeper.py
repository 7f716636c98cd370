"""Thread that follows the servers of the worker's pool as they come and go (`samfleet_worker.triton.membership`)."""

from __future__ import annotations

from samfleet.errors import SamfleetError
from samfleet.logging import get_logger
from samfleet_worker.bootstrap import Services
from samfleet_worker.model_loading import spread_variants
from samfleet_worker.periodic import PeriodicThread

log = get_logger(__name__)


def pool_keeper(services: Services) -> PeriodicThread:
    def keep() -> None:
        try:
            keep_pool(services)
        except SamfleetError as error:  # a server that is away or has no room; the next look finds out
            log.warning("pool.not_kept", code=error.code, reason=error.message)

    seconds = services.settings.resolve_interval.total_seconds()
    return PeriodicThread("pool-keeper", seconds, keep, "pool.not_kept")


def keep_pool(services: Services) -> None:
    """Look once. Raises the error of a variant that no server can load."""
    services.segmenter.refresh()
    spread_variants(services)
