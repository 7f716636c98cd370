from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from samfleet_api.runs.repository import ListedImage, ListedOutcome


class ImageOfRun(BaseModel):
    """One line of a run's list of images."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "image_id": 139,
                    "file_name": "000000000139.jpg",
                    "outcome": "succeeded",
                    "mask_count": 20,
                    "error_code": None,
                    "image_ms": 46.7,
                }
            ]
        }
    )

    image_id: int
    file_name: str
    outcome: ListedOutcome = Field(description="`pending`: nothing is recorded of it.")
    mask_count: int | None = Field(description="Null while it is pending.")
    error_code: str | None = Field(description="Of a failed one; the image itself has the message.")
    image_ms: float | None = Field(description="All its stages but the queue; null unless it succeeded.")

    @classmethod
    def of(cls, listed: ListedImage) -> ImageOfRun:
        return cls(
            image_id=listed.image_id,
            file_name=listed.file_name,
            outcome=ListedOutcome(listed.outcome) if listed.outcome else ListedOutcome.PENDING,
            mask_count=listed.mask_count,
            error_code=listed.error_code,
            image_ms=listed.image_ms,
        )
