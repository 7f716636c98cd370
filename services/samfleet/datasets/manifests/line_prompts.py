"""Prompts in the lines of a manifest: the objects of a line of a prompts file (docs/prompts.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from samfleet.datasets.manifests.errors import ManifestInvalid

if TYPE_CHECKING:
    from samfleet.datasets.prompt_lines import ImagePrompts


def prompts_of(number: int, entry: Mapping[str, Any]) -> ImagePrompts | None:
    """Return the prompts of a line; a text, as CSV has, is parsed.

    Raises `ManifestInvalid` or `PromptsInvalid`, which name the line.
    """
    objects, coordinates = entry.get("objects"), entry.get("coordinates") or None
    if objects is None or objects == "":
        return None  # in a table, such a row may state coordinates as all others do
    if isinstance(objects, str):
        try:
            objects = json.loads(objects)
        except (ValueError, RecursionError) as error:
            raise ManifestInvalid(f"line {number}: objects is not valid JSON ({error}); write a list") from None
    from samfleet.datasets.prompt_lines import check_line  # needs numpy, which the command line does not load

    members = {"file_name": "image", "objects": objects}
    return check_line(f"line {number}", members if coordinates is None else {**members, "coordinates": coordinates})
