from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from samfleet.estimates.estimate import Estimate, Expected, RunEstimate
from samfleet.estimates.figures import Figure, Known
from samfleet.reports.task_words import task_words

_SECONDS: dict[str, Any] = {
    "value": 186.0,
    "low": 171.0,
    "high": 240.0,
    "known": "measured",
    "runs": 4,
    "images": 12000,
    "source": "4 earlier runs with this task on pool default, 12,000 images",
}
_UNKNOWN: dict[str, Any] = {
    "value": None,
    "low": None,
    "high": None,
    "known": "unknown",
    "runs": 0,
    "images": 0,
    "source": "no price is set for NVIDIA L4",
}
_FIGURES: dict[str, Any] = {
    "images": 5000,
    "seconds": _SECONDS,
    "images_per_second": 26.9,
    "cost": _UNKNOWN,
    "currency": None,
    "database_bytes": {**_SECONDS, "value": 2744687.5, "low": None, "high": None, "known": "documented"},
    "object_bytes": {**_SECONDS, "value": 46000000.0, "low": 41000000.0, "high": 52000000.0},
}


class EstimatedFigure(BaseModel):
    """A quantity, its spread over earlier runs, and how it is known."""

    model_config = ConfigDict(from_attributes=True)

    value: float | None = Field(description="Null if unknown; `source` then has the reason.")
    low: float | None = Field(
        description="10th percentile of the earlier runs, weighted by their images; null with fewer than two runs."
    )
    high: float | None = Field(description="90th percentile, likewise.")
    known: Known = Field(description="`measured` here, `documented` (an average of other installations), or `unknown`.")
    runs: int = Field(description="Number of earlier runs behind a measured figure.")
    images: int = Field(description="Images of these runs.")
    source: str = Field(description="How the figure is known, or why it is not, in words.")

    @classmethod
    def of(cls, figure: Figure) -> Self:
        return cls.model_validate(figure)


class EstimatedFigures(BaseModel):
    images: int
    seconds: EstimatedFigure = Field(description="Wall time without other jobs.")
    images_per_second: float | None
    cost: EstimatedFigure = Field(description="Device time at the hardware's price, in `currency`.")
    currency: str | None = Field(description="Null if the cost is unknown.")
    database_bytes: EstimatedFigure = Field(description="Bytes in PostgreSQL.")
    object_bytes: EstimatedFigure = Field(description="Bytes of the masks in the object store.")

    @staticmethod
    def values(expected: Expected) -> dict[str, Any]:
        seconds = expected.seconds.value
        return {
            "images": expected.images,
            "seconds": EstimatedFigure.of(expected.seconds),
            "images_per_second": expected.images / seconds if seconds else None,
            "cost": EstimatedFigure.of(expected.cost),
            "currency": expected.currency,
            "database_bytes": EstimatedFigure.of(expected.database_bytes),
            "object_bytes": EstimatedFigure.of(expected.object_bytes),
        }


class EstimatedRun(EstimatedFigures):
    variant: str
    pool: str
    task_in_words: str

    @classmethod
    def of(cls, run: RunEstimate) -> Self:
        words = task_words(run.task)
        return cls(variant=run.variant, pool=run.pool, task_in_words=words, **cls.values(run.expected))


class JobEstimate(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "runs": [
                        {
                            "variant": "mobile_sam",
                            "pool": "default",
                            "task_in_words": "everything, 32 points per side",
                            **_FIGURES,
                        }
                    ],
                    "total": _FIGURES,
                    "notes": ["results that are taken over are not subtracted"],
                }
            ]
        }
    )

    runs: list[EstimatedRun]
    total: EstimatedFigures = Field(
        description="`seconds` is the time of the slowest pool: the runs of a pool follow one another."
    )
    notes: list[str] = Field(description="What the figures assume or leave out.")

    @classmethod
    def of(cls, estimate: Estimate) -> Self:
        return cls(
            runs=[EstimatedRun.of(run) for run in estimate.runs],
            total=EstimatedFigures(**EstimatedFigures.values(estimate.total)),
            notes=list(estimate.notes),
        )
