"""Prompts of a dataset: a prompts file matched to the images and written as rows.

Names of categories are those of the annotations. Without annotations they get the ids 1, 2, 3, … in the order of the
file, and become the dataset's categories.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import IO, Any, get_args

from sqlalchemy.orm import Session

from samfleet.datasets import copying, repository
from samfleet.datasets.annotation_entries import MAX_CATEGORY_CHARACTERS, AnnotationLimits
from samfleet.datasets.copying import PromptsRow
from samfleet.datasets.prompt_files import read_prompt_lines
from samfleet.datasets.prompt_lines import (
    ImageKey,
    ImagePrompts,
    PromptedObject,
    PromptsInvalid,
    PromptsTooLarge,
)
from samfleet.db.models import Dataset
from samfleet.errors import InvalidInput
from samfleet.variants.task import Prompt, PromptMask

_MEANINGS: Mapping[ImageKey, str] = {
    "file_name": "it is the path relative to the dataset; GET /v1/datasets/{id}/images lists the names",
    "image_id": "it is the id in the annotations file if there is one, else 1, 2, 3, … in the order of the images",
    "external_id": "it is the id that the manifest of the dataset gives the image",
}
LINES_AT_ONCE = 1000
PROMPTS_AT_ONCE = 10_000
MASK_BYTES_AT_ONCE = 2**24
MOST_SHOWN = 200  # characters of a name in a message

Opener = Callable[[], AbstractContextManager[IO[bytes]]]


class PromptsNotFound(InvalidInput):
    """The prompts file does not exist on the server."""

    code = "prompts_not_found"


def count_prompts(file: IO[bytes], limits: AnnotationLimits) -> int:
    """Validate a prompts file line by line and return the number of its prompts."""
    return sum(image.prompt_count for image in read_prompt_lines(file, limits))


def write_prompts(
    session: Session, dataset: Dataset, opened: Opener, limits: AnnotationLimits, *, limited: bool = False
) -> None:
    """Write the prompts of a dataset whose images have their ids, reading the file line by line.

    The dataset's row must be flushed. Raises `PromptsInvalid` for an image that the dataset does not have; a dataset
    that is `limited` to some images of a folder skips it, but needs one line for its images.
    """
    annotated = dataset.annotation_count is not None
    categories = PromptCategories(dataset.categories, annotated=annotated)
    seen: set[int] = set()
    dataset.prompt_count = dataset.prompted_image_count = dataset.mask_prompt_count = 0
    with opened() as file:
        for lines in _batches(read_prompt_lines(file, limits)):
            rows = [
                prompts_row(line, image_id, categories, line.line)
                for line, image_id in _matched(session, dataset, lines, skip_unknown=limited)
                if _is_new(line, image_id, seen)
            ]
            copying.copy_prompts(session, dataset.id, rows)
            dataset.prompt_count += sum(row.prompt_count for row in rows)
            dataset.mask_prompt_count += sum(row.mask_count for row in rows)
    if not seen:
        raise PromptsInvalid("no line names an image of this dataset; file_name is the path relative to its folder")
    dataset.prompted_image_count = len(seen)
    dataset.categories = categories.listed()


def _batches(lines: Iterable[ImagePrompts]) -> Iterator[Sequence[ImagePrompts]]:
    batch: list[ImagePrompts] = []
    prompts = mask_bytes = 0
    for line in lines:
        batch.append(line)
        prompts += line.prompt_count
        mask_bytes += line.mask_bytes
        if len(batch) >= LINES_AT_ONCE or prompts >= PROMPTS_AT_ONCE or mask_bytes >= MASK_BYTES_AT_ONCE:
            yield batch
            batch, prompts, mask_bytes = [], 0, 0
    yield batch


def _matched(
    session: Session, dataset: Dataset, lines: Sequence[ImagePrompts], *, skip_unknown: bool
) -> Iterator[tuple[ImagePrompts, int]]:
    """Yield each line with the COCO id of its image.

    Systems write letters with accents as one character or as two (Unicode's forms NFC and NFD), which look alike. A
    name that no image has is looked for in the other form.
    """
    ids = {key: repository.ids_by(session, dataset.id, key, _images_by(lines, key)) for key in get_args(ImageKey)}
    others = [other for line in lines if line.image not in ids[line.key] for other in _other_forms(line)]
    ids_of_others = repository.ids_by(session, dataset.id, "file_name", others)
    for line in lines:
        image_id = ids[line.key].get(line.image)
        if image_id is None:
            image_id = next((ids_of_others[other] for other in _other_forms(line) if other in ids_of_others), None)
        if image_id is not None:
            yield line, image_id
        elif not skip_unknown:
            raise PromptsInvalid(
                f"line {line.line}: {_shown(line)} is not an image of this dataset (by {line.key}); "
                f"{_MEANINGS[line.key]}"
            )


def _images_by(lines: Sequence[ImagePrompts], key: ImageKey) -> list[str | int]:
    return [line.image for line in lines if line.key == key]


def _other_forms(line: ImagePrompts) -> list[str]:
    if line.key != "file_name" or not isinstance(line.image, str) or line.image.isascii():
        return []
    return [unicodedata.normalize("NFC", line.image), unicodedata.normalize("NFD", line.image)]


def _shown(line: ImagePrompts) -> str:
    text = repr(line.image)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"


def _is_new(line: ImagePrompts, image_id: int, seen: set[int]) -> bool:
    """Remember the image. Raises `PromptsInvalid` for a second line of it."""
    if image_id in seen:
        raise PromptsInvalid(
            f"line {line.line}: the image {_shown(line)} has an earlier line; write one line per image"
        )
    seen.add(image_id)
    return True


def prompts_row(line: ImagePrompts, image_id: int, categories: PromptCategories, number: int) -> PromptsRow:
    """Return the row of the prompts of an image. Errors name the line by its `number`."""
    objects = [_stored(one, categories.id_of(one, number)) for one in line.objects]
    masks = sum(prompt.mask is not None for one in line.objects for prompt in one.prompts)
    return PromptsRow(image_id, line.coordinates, line.prompt_count, objects, masks)


def _stored(one: PromptedObject, category_id: int | None) -> dict[str, Any]:
    category = {} if category_id is None else {"category_id": category_id}
    return {"id": one.object_id, **category, "prompts": [_stored_prompt(prompt) for prompt in one.prompts]}


def _stored_prompt(prompt: Prompt) -> dict[str, Any]:
    points = {"points": prompt.points, "labels": prompt.labels} if prompt.points else {}
    box = {} if prompt.box is None else {"box": prompt.box}
    mask = {} if prompt.mask is None else {"mask": {"size": prompt.mask.size, "counts": prompt.mask.counts}}
    return {**points, **box, **mask, "multimask": prompt.multimask}


def read_stored(objects: Sequence[dict[str, Any]]) -> Iterator[PromptedObject]:
    """Yield the objects of a row of `DatasetPrompts`."""
    for one in objects:
        prompts = tuple(
            Prompt(
                points=tuple((x, y) for x, y in prompt.get("points", ())),
                labels=tuple(prompt.get("labels", ())),
                box=tuple(prompt["box"]) if "box" in prompt else None,
                multimask=prompt["multimask"],
                mask=_read_mask(prompt["mask"]) if "mask" in prompt else None,
            )
            for prompt in one["prompts"]
        )
        yield PromptedObject(one["id"], prompts, category_id=one.get("category_id"))


def _read_mask(stored: dict[str, Any]) -> PromptMask:
    height, width = stored["size"]
    return PromptMask((height, width), stored["counts"])


class PromptCategories:
    """Ids of the categories that prompts name.

    If the dataset is `annotated`, they are those of the annotations, `known`.
    """

    def __init__(self, known: list[dict[str, Any]] | None = None, *, annotated: bool = False) -> None:
        self._known, self._annotated = known, annotated
        listed = known or () if annotated else ()
        names = Counter(str(one.get("name", "")) for one in listed)
        self._shared = frozenset(name for name, times in names.items() if times > 1)  # names of several categories
        self._ids = {str(one.get("name", "")): int(one["id"]) for one in listed}
        self._characters = 0
        self._by_id = False

    def id_of(self, one: PromptedObject, line: int) -> int | None:
        if one.category is None:
            self._by_id = self._by_id or one.category_id is not None
            self._check_mixed(line)
            return one.category_id
        if one.category not in self._ids or one.category in self._shared:
            self._add(one.category, line)
        self._check_mixed(line)
        return self._ids[one.category]

    def _add(self, name: str, line: int) -> None:
        if self._annotated:
            reason = "several categories" if name in self._shared else "no category"
            raise PromptsInvalid(
                f"line {line}: {reason} of the annotations file has the name {name!r}; correct the name, or give "
                "category_id"
            )
        self._characters += len(name)
        if self._characters > MAX_CATEGORY_CHARACTERS:
            raise PromptsTooLarge(f"line {line}: the categories have more than {MAX_CATEGORY_CHARACTERS} characters")
        self._ids[name] = len(self._ids) + 1

    def _check_mixed(self, line: int) -> None:
        """Ids of names are chosen here, so they could collide with ids that the file gives."""
        if self._by_id and self._ids and not self._annotated:
            raise PromptsInvalid(
                f"line {line}: the file has both category and category_id; use one of them, or add an annotations file "
                "with the categories"
            )

    def listed(self) -> list[dict[str, Any]] | None:
        """Return the categories of the dataset."""
        if self._annotated or not self._ids:
            return self._known
        return [{"id": number, "name": name} for name, number in self._ids.items()]
