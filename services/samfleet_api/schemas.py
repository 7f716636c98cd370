"""What request and response models share."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

StorableText = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]  # PostgreSQL's text has no NUL
Name = Annotated[StorableText, StringConstraints(min_length=1, max_length=200)]
ServerPath = Annotated[StorableText, StringConstraints(min_length=1, max_length=4096)]


class RequestModel(BaseModel):
    """Unknown fields are refused: a misspelt one must not be ignored."""

    model_config = ConfigDict(extra="forbid")
