"""What request and response models share."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, StringConstraints

# PostgreSQL's text has no NUL. pydantic itself refuses halves of surrogate pairs, which no UTF-8 has.
StorableText = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
Name = Annotated[StorableText, StringConstraints(min_length=1, max_length=200)]
ServerPath = Annotated[StorableText, StringConstraints(min_length=1, max_length=4096)]

_RFC_3339 = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)


def _check_moment(value: object) -> object:
    """Pydantic takes numbers and shorter forms too, which the declared `date-time` does not allow."""
    if isinstance(value, str) and _RFC_3339.fullmatch(value) is None:
        raise ValueError("write it as RFC 3339 does: 2026-11-22T00:00:00Z")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_check_moment)]


class RequestModel(BaseModel):
    """Unknown fields are refused: a misspelt one must not be ignored."""

    model_config = ConfigDict(extra="forbid")
