"""The report that compares two variants pairs only measurements of the same task on the same images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fixtures.api.running_api import Api, Tenant
from fixtures.worker.recorded_jobs import carry_out, new_job


def test_only_the_same_work_is_compared(api: Api, tenant: Tenant, folder: Path) -> None:
    """One variant has small grids and the other large ones, then both the same, then the same on other images."""

    def compared() -> dict[str, Any]:
        sides = {"by": "variant", "a": "mobile_sam", "b": "sam_vit_b"}
        report: dict[str, Any] = tenant.http.get("/v1/reports/compare", params=sides).raise_for_status().json()
        return report

    grids = ({"kind": "everything", "points_per_side": side} for side in (8, 32))
    for variant, task in zip(("mobile_sam", "sam_vit_b"), grids, strict=True):
        carry_out(api, new_job(tenant, folder, variants=[variant], task=task))
    answer = compared()
    assert answer["rows"] == []
    assert "mobile_sam: everything, 8 points per side on" in answer["note"]
    assert "sam_vit_b: everything, 32 points per side on" in answer["note"]

    task = {"kind": "everything", "points_per_side": 8}
    carry_out(api, new_job(tenant, folder, variants=["sam_vit_b"], task=task))
    (row,) = compared()["rows"]
    assert (row["task_in_words"], row["dataset"]) == ("everything, 8 points per side", folder.name)
    carry_out(api, new_job(tenant, folder, variants=["sam_vit_b"], task=task, images=5))
    (row,) = compared()["rows"]
    assert (row["n_a"], row["n_b"]) == (3, 3)
