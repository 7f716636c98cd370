"""Rows of the prompts that the lines of a manifest have."""

from __future__ import annotations

from dataclasses import dataclass, field

from samfleet.datasets.annotation_entries import AnnotationLimits
from samfleet.datasets.copying import PromptsRow
from samfleet.datasets.prompt_lines import ImagePrompts, PromptsInvalid, PromptsTooLarge
from samfleet.datasets.prompts import PromptCategories, prompts_row
from samfleet.db.models import Dataset


@dataclass(slots=True)
class ManifestPrompts:
    """Prompts of the lines of one manifest: their rows, categories and counts."""

    limits: AnnotationLimits
    categories: PromptCategories = field(default_factory=PromptCategories)
    images: int = 0
    prompts: int = 0
    masks: int = 0

    def row(self, line: int, prompts: ImagePrompts) -> PromptsRow:
        """Return the row of a line, whose image has no id yet. Raises `PromptsTooLarge`."""
        row = prompts_row(prompts, 0, self.categories, line)
        self.images, self.prompts, self.masks = (
            self.images + 1,
            self.prompts + row.prompt_count,
            self.masks + row.mask_count,
        )
        if row.prompt_count > self.limits.objects or self.prompts > self.limits.entries:
            raise PromptsTooLarge(
                f"line {line}: the image has more than {self.limits.objects} prompts, or the manifest more than "
                f"{self.limits.entries}; leave some out, or raise SAMFLEET_MAX_OBJECTS_PER_IMAGE or "
                "SAMFLEET_MAX_ANNOTATIONS"
            )
        return row

    def seal(self, dataset: Dataset, *, with_file: bool) -> None:
        """Count the prompts, if there are some. Raises `PromptsInvalid` if there is a prompts file too."""
        if not self.images:
            return
        if with_file:
            raise PromptsInvalid("the manifest has objects, and there is a prompts file too; give one of them")
        dataset.prompt_count, dataset.mask_prompt_count = self.prompts, self.masks
        dataset.prompted_image_count = self.images
        dataset.categories = self.categories.listed()
