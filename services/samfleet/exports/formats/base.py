"""Interface of export formats: a format turns the rows of a run's parts into the chunks of one file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, Self

from samfleet.masks.large import DEFAULT_LIMITS, PixelLimits
from samfleet.masks.polygons import DEFAULT_TOLERANCE
from samfleet.reviews.selection import Reviewed


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """Validated options of an export; a format ignores those that do not apply to it.

    `tolerance` in pixels, >= 0, is that of the simplification of polygons; 0 keeps every corner. Masks of fewer than
    `min_area` pixels, and those with a confidence below `min_score` (0 to 1), are left out. `category_name` is that of
    masks without a category, or of all masks with `one_class`. `reviewed` selects masks by their review; it is applied
    before a format reads the rows.
    """

    tolerance: float = DEFAULT_TOLERANCE
    min_area: int = 0
    min_score: float = 0.0
    category_name: str = "object"
    one_class: bool = False
    reviewed: Reviewed = Reviewed.ALL

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form. It has `reviewed` only if that selects masks: earlier releases can read all others."""
        fields = asdict(self)
        if self.reviewed is Reviewed.ALL:
            del fields["reviewed"]
        return fields

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """Read the JSON form, which may lack options that a later release has."""
        reviewed = Reviewed(fields.get("reviewed", Reviewed.ALL))
        return cls(**{**fields, "reviewed": reviewed})


@dataclass(frozen=True, slots=True)
class ExportSource:
    """Contents for a format.

    `rows` returns the rows of the parts (`samfleet.jobs.parts.part_row`) in the order of the dataset, failed images
    included; each call reads them again. With `ExportOptions.reviewed` they are those of `samfleet.reviews.selection`.
    `categories` are {"id", "name"}, empty without annotations. `provenance` has the variant, checkpoint_sha256,
    parameters, code_version, hardware and the run's id. `read_image` returns the encoded file of an image by its
    `dataset_image_id`; None if images cannot be read. Images beyond `limits` are not decoded.
    """

    rows: Callable[[], Iterator[Mapping[str, Any]]]
    categories: Sequence[Mapping[str, Any]]
    provenance: Mapping[str, Any]
    read_image: Callable[[int], bytes] | None
    limits: PixelLimits = DEFAULT_LIMITS


class ExportFormat(Protocol):
    """A format of exports. `extension` is that of its file name, without the leading dot."""

    @property
    def name(self) -> str: ...

    @property
    def description(self) -> str: ...

    @property
    def media_type(self) -> str: ...

    @property
    def extension(self) -> str: ...

    def write(self, source: ExportSource, options: ExportOptions) -> Iterator[bytes]:
        """Yield the file in chunks of any size, with memory that does not grow with the run."""
        ...
