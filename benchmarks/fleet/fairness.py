"""Shares of the tenants: what each received of the claims, and what was due to it by its weight."""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LEAST_SHARDS = 20  # of a tenant whose share is judged; below, one shard more or less decides


@dataclass(slots=True)
class Fairness:
    """Account of each tenant's images in each pool.

    At a claim, each tenant with unclaimed images in the pool is due its weight's part of the claim's images. Claims
    with one such tenant are left out: nobody competes. `unclaimed` has the images in shards that no worker holds.
    """

    weights: Mapping[uuid.UUID, float]
    unclaimed: dict[str, Counter[uuid.UUID]] = field(default_factory=lambda: defaultdict(Counter))
    received: Counter[uuid.UUID] = field(default_factory=Counter)
    due: dict[uuid.UUID, float] = field(default_factory=lambda: defaultdict(float))
    largest: int = 1

    def opened(self, pool: str, tenant: uuid.UUID, images: int) -> None:
        self.unclaimed[pool][tenant] += images

    def claimed(self, pool: str, tenant: uuid.UUID, images: int, *, in_turn: bool) -> None:
        waiting = self.unclaimed[pool]
        rivals = [one for one, count in waiting.items() if count > 0]
        waiting[tenant] -= images
        if not in_turn or rivals in ([], [tenant]) or tenant not in rivals:
            return
        self.largest = max(self.largest, images)
        self.received[tenant] += images
        weights = sum(self.weights[one] for one in rivals)
        for one in rivals:
            self.due[one] += images * self.weights[one] / weights

    def summary(self) -> dict[str, Any]:
        """Return the ratios received / due: of all tenants, the least and the greatest, and by weight."""
        judged = [one for one, due in self.due.items() if due >= LEAST_SHARDS * self.largest]
        ratios = {one: self.received[one] / self.due[one] for one in judged}
        by_weight: dict[str, list[float]] = defaultdict(list)
        for one, ratio in ratios.items():
            by_weight[f"{self.weights[one]:g}"].append(ratio)
        return {
            "tenants": len(self.weights),
            "judged": len(judged),
            "contested_images": sum(self.received.values()),
            "least": round(min(ratios.values()), 4) if ratios else None,
            "greatest": round(max(ratios.values()), 4) if ratios else None,
            "mean_by_weight": {weight: round(sum(of) / len(of), 4) for weight, of in sorted(by_weight.items())},
        }
