"""Requests that change the review of an image."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import ConfigDict, Field, StrictBool, StringConstraints, model_validator

from samfleet.db.models import MaskState
from samfleet.reviews.decisions import Change
from samfleet_api.schemas import RequestModel, StorableText

MOST_CHANGES = 1000
MOST_MASKS = 10_000
MaskIndex = Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)]
CategoryName = Annotated[StorableText, StringConstraints(min_length=1, max_length=100, strip_whitespace=True)]


class MaskChange(RequestModel):
    """A change of some masks. What it does not state stays as it is; a merged mask changes with its whole object."""

    masks: list[MaskIndex] = Field(
        min_length=1, max_length=MOST_MASKS, description="Indexes in the image's `masks`, from 0."
    )
    state: MaskState | None = Field(default=None, description="The decision; `undecided` takes it back.")
    category: CategoryName | None = Field(
        default=None, description="Name of the category. Null removes the one that a reviewer set."
    )
    merge: StrictBool | None = Field(
        default=None,
        description="True makes the masks one object, whose mask is their union, and accepts it unless `state` is "
        "given. False takes the object apart.",
    )

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.state is None and self.merge is None and "category" not in self.model_fields_set:
            raise ValueError("the change states nothing; give state, category or merge")
        return self

    def to_change(self) -> Change:
        return Change(
            tuple(dict.fromkeys(self.masks)), self.state, self.category, "category" in self.model_fields_set, self.merge
        )


class ChangeReview(RequestModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "version": 0,
                    "changes": [{"masks": [0, 3], "state": "accepted"}, {"masks": [1], "state": "rejected"}],
                },
                {"version": 1, "changes": [{"masks": [4, 7], "merge": True, "category": "shelf"}]},
            ]
        }
    )

    version: int = Field(
        ge=0,
        le=2**31 - 1,
        strict=True,
        description="Version of the review that the changes were made on; 0 if there was none.",
    )
    changes: list[MaskChange] = Field(
        max_length=MOST_CHANGES,
        description="Made one after the other, all or none. An empty list states that an image without masks was "
        "looked at.",
    )
