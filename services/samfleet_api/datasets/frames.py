"""The choice of frames in the body of a request."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from samfleet.datasets.frame_addresses import MOST_FRAMES
from samfleet.datasets.frames.choice import FrameChoice
from samfleet_api.schemas import RequestModel

MOST_SECONDS = 1_000_000


Seconds = Annotated[float, Field(ge=0, le=MOST_SECONDS, allow_inf_nan=False, strict=True)]


class FrameSteps(RequestModel):
    """A part of the frames of each file: each `every`th, `count` spread evenly, or one each `every_seconds`."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"every": 10, "most": 100}, {"every_seconds": 2.0}]})

    every: int | None = Field(default=None, ge=1, le=MOST_FRAMES, strict=True, description="1 takes all frames.")
    count: int | None = Field(default=None, ge=1, le=MOST_FRAMES, strict=True, description="All, if there are fewer.")
    every_seconds: Annotated[float, Field(ge=0.001, le=MOST_SECONDS, allow_inf_nan=False, strict=True)] | None = Field(
        default=None, description="Of a video, the frames shown then; of other files, only the first frame."
    )
    most: int | None = Field(default=None, ge=1, le=MOST_FRAMES, strict=True, description="Only the first ones.")
    start: Seconds | None = Field(default=None, description="Of a video, only frames from this second on.")
    end: Seconds | None = Field(default=None, description="Of a video, only frames that begin before this second.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if sum(step is not None for step in (self.every, self.count, self.every_seconds)) != 1:
            raise ValueError("state one of every, count and every_seconds")
        if self.end is not None and self.end <= (self.start or 0):
            raise ValueError("end must be later than start")
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
            return FrameChoice(index=self.frame).stored
        if self.frames is None:
            return None
        return (FrameChoice(every=1) if self.frames == "all" else FrameChoice(**self.frames.model_dump())).stored
