"""Names of downloaded files, which say what is in them."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass

SHOWN_ID = 8  # characters of the run's id; they tell files of equal names apart
MOST_OF_NAME = 60
_OTHERS = re.compile(r"[^a-zA-Z0-9_]+")


@dataclass(frozen=True, slots=True)
class FileOwner:
    """Run of a file: its variant, and the name of its job, or else of its dataset."""

    run_id: uuid.UUID
    variant: str
    name: str

    def stem(self) -> str:
        """Return `name-variant-id` of letters, digits, `_` and `-`; other characters become `-`."""
        named = _OTHERS.sub("-", self.name)[:MOST_OF_NAME].strip("-")
        parts = (named, _OTHERS.sub("-", self.variant), self.run_id.hex[:SHOWN_ID])
        return "-".join(part for part in parts if part)
