"""Shared parts of request and response models."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from samfleet.labels import MOST_LABELS, MOST_NOTES

# PostgreSQL's text cannot hold NUL. pydantic itself rejects lone surrogates, which UTF-8 cannot encode.
StorableText = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
Name = Annotated[StorableText, StringConstraints(min_length=1, max_length=200)]
Notes = Annotated[StorableText, StringConstraints(min_length=1, max_length=MOST_NOTES)]
KeepDays = Annotated[
    int,
    Field(
        ge=1,
        le=36_500,
        strict=True,
        description="Delete it so many days after its end. Null: the server's default, which may keep it forever.",
    ),
]
LABELS_RULE = (
    "Keys and values have at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends. A key may "
    "have a prefix, a DNS name and '/'; a value may be empty."
)
Labels = Annotated[
    dict[str, str], Field(max_length=MOST_LABELS, description=LABELS_RULE, examples=[{"team": "shelves", "round": "2"}])
]
LabelChanges = Annotated[
    dict[str, str | None], Field(max_length=2 * MOST_LABELS, description="Labels to set; null removes one.")
]
ServerPath = Annotated[StorableText, StringConstraints(min_length=1, max_length=4096)]

_RFC_3339 = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)


def _check_moment(value: object) -> object:
    """Reject forms that the declared `date-time` does not allow: pydantic also accepts numbers and shorter strings."""
    if not isinstance(value, str) or _RFC_3339.fullmatch(value) is None:
        raise ValueError("use the format of RFC 3339: 2026-11-22T00:00:00Z")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_check_moment)]


class RequestModel(BaseModel):
    """Base of request models. It rejects unknown fields, so that misspelt ones are not ignored."""

    model_config = ConfigDict(extra="forbid")
