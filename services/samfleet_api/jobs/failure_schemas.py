from __future__ import annotations

import uuid

from pydantic import BaseModel, ConfigDict, Field

from samfleet_api.runs.schemas import RUN_EXAMPLE


class ImageFailure(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "run_id": RUN_EXAMPLE["id"],
                    "image_id": 139,
                    "file_name": "000000000139.jpg",
                    "code": "image_truncated",
                    "message": "the file ends before the image does; copy it again",
                    "stage": "preprocess",
                }
            ]
        }
    )

    run_id: uuid.UUID
    image_id: int
    file_name: str
    code: str
    message: str
    stage: str | None


class FirstFailure(BaseModel):
    run_id: uuid.UUID
    image_id: int
    file_name: str


class FailureGroup(BaseModel):
    """Images of a job that failed in the same stage with the same code."""

    code: str
    stage: str | None
    images: int = Field(description="Images times runs.")
    message: str = Field(description="Message of the first image; those of the others may differ in their values.")
    run_ids: list[uuid.UUID]
    first: FirstFailure = Field(description="First image in the order of the list of failed images.")


class FailureGroups(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "code": "image_truncated",
                            "stage": "preprocess",
                            "images": 3,
                            "message": "the file ends before the image does; copy it again",
                            "run_ids": [RUN_EXAMPLE["id"]],
                            "first": {
                                "run_id": RUN_EXAMPLE["id"],
                                "image_id": 139,
                                "file_name": "000000000139.jpg",
                            },
                        }
                    ]
                }
            ]
        }
    )

    items: list[FailureGroup] = Field(description="Most frequent first.")
