"""Presence of variants' weights on pools, from the API's weights folder and the heartbeats of workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from samfleet.db.models import WorkerHeartbeat
from samfleet.variants.record import VariantRecord
from samfleet.variants.weights.verify import has_weights
from samfleet_api.variants.schemas import PoolWeights


def weights_here(record: VariantRecord, folder: Path) -> bool | None:
    """Return whether the folder has the variant's files; None if there is no such folder."""
    return has_weights(folder, record) if folder.is_dir() else None


class WeightsOnPools:
    """Loaded and missing variants by pool, as the workers report them."""

    def __init__(self, pools: Sequence[str], heartbeats: Sequence[WorkerHeartbeat]) -> None:
        self._loaded: Mapping[str, set[str]] = {pool: set() for pool in pools}
        self._missing: Mapping[str, set[str]] = {pool: set() for pool in pools}
        for beat in heartbeats:
            if beat.pool in self._loaded:
                for server in beat.detail.get("servers", ()):
                    self._loaded[beat.pool].update(server.get("variants", ()))
                    self._missing[beat.pool].update(server.get("without_weights", {}))

    def of(self, variant: str, here: bool | None) -> list[PoolWeights]:
        """Return the state on each pool. `here` is that of the API's folder, which decides where no worker knows."""
        return [PoolWeights(pool=pool, present=self._present(pool, variant, here)) for pool in self._loaded]

    def _present(self, pool: str, variant: str, here: bool | None) -> bool | None:
        if variant in self._loaded[pool]:
            return True
        if here is None and variant in self._missing[pool]:
            return False
        return here
