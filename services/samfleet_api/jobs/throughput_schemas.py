from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from samfleet.db.models import Run
from samfleet.jobs.throughput import Throughput
from samfleet_api.runs.schemas import RUN_EXAMPLE


class ThroughputPoint(BaseModel):
    at: datetime = Field(description="Start of the interval, which is `seconds_per_point` long.")
    images: int = Field(description="Images recorded in the interval, including failed ones.")
    failures: int
    images_per_second: float


class RunThroughput(BaseModel):
    run_id: uuid.UUID
    variant: str
    pool: str
    points: list[ThroughputPoint] = Field(description="At the same times for all runs, including empty intervals.")


class JobThroughput(BaseModel):
    """Images recorded over time, from the first claim to the last record, or to now while the job runs."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "seconds_per_point": 30.0,
                    "started_at": "2026-11-22T12:00:00Z",
                    "runs": [
                        {
                            "run_id": RUN_EXAMPLE["id"],
                            "variant": "mobile_sam",
                            "pool": "default",
                            "points": [
                                {
                                    "at": "2026-11-22T12:00:00Z",
                                    "images": 480,
                                    "failures": 1,
                                    "images_per_second": 16.0,
                                },
                                {
                                    "at": "2026-11-22T12:00:30Z",
                                    "images": 0,
                                    "failures": 0,
                                    "images_per_second": 0.0,
                                },
                            ],
                        }
                    ],
                }
            ]
        }
    )

    seconds_per_point: float = Field(description="0 without any points until a shard is claimed.")
    started_at: datetime | None
    runs: list[RunThroughput]

    @classmethod
    def of(cls, runs: Sequence[Run], throughput: Throughput) -> JobThroughput:
        seconds = throughput.stretch.total_seconds()
        return cls(
            seconds_per_point=seconds,
            started_at=throughput.started,
            runs=[
                RunThroughput(
                    run_id=run.id,
                    variant=run.variant,
                    pool=run.pool,
                    points=[
                        ThroughputPoint(
                            at=point.at,
                            images=point.images,
                            failures=point.failures,
                            images_per_second=point.images / seconds,
                        )
                        for point in throughput.points[run.id]
                    ],
                )
                for run in runs
            ],
        )
