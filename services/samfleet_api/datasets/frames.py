"""The choice of frames in the body of a request."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from samfleet.datasets.frame_addresses import MOST_FRAMES
from samfleet.datasets.frames.choice import FrameChoice
from samfleet_api.schemas import RequestModel


class FrameSteps(RequestModel):
    """A part of the frames of each file: each `every`th, or `count` spread evenly."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"every": 10, "most": 100}]})

    every: int | None = Field(default=None, ge=1, le=MOST_FRAMES, strict=True, description="1 takes all frames.")
    count: int | None = Field(default=None, ge=1, le=MOST_FRAMES, strict=True, description="All, if there are fewer.")
    most: int | None = Field(default=None, ge=1, le=MOST_FRAMES, strict=True, description="Only the first ones.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.every is None) == (self.count is None):
            raise ValueError("state either every or count")
        return self


class WithFrames(RequestModel):
    """Fields of a request that makes images of the frames of files."""

    frame: int | None = Field(
        default=None,
        ge=0,
        lt=MOST_FRAMES,
        strict=True,
        description="Take this frame or page, from 0, of each file that may have several.",
    )
    frames: Literal["all"] | FrameSteps | None = Field(
        default=None, description="Make images of all frames or pages of each file, or of a part of them."
    )

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if self.frame is not None and self.frames is not None:
            raise ValueError("state either frame or frames")
        return self

    @property
    def choice(self) -> dict[str, Any] | None:
        """Return the `FrameChoice` to store; None to take files as they are."""
        if self.frame is not None:
            return asdict(FrameChoice(index=self.frame))
        if self.frames is None:
            return None
        return asdict(FrameChoice(every=1) if self.frames == "all" else FrameChoice(**self.frames.model_dump()))
