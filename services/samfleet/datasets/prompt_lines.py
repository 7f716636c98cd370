"""Lines of a prompts file, one image a line, and their validation (docs/prompts.md).

An object has one prompt in its own members, or several under `prompts`. An error names the line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from samfleet.datasets.annotation_entries import MAX_ID, AnnotationLimits
from samfleet.datasets.segmentation import SegmentationInvalid, check_segmentation, compressed_counts, is_number
from samfleet.errors import InvalidInput, TooLarge
from samfleet.variants.task import Prompt, PromptMask, TaskInvalid

Coordinates = Literal["pixels", "relative"]
ImageKey = Literal["file_name", "image_id", "external_id"]

DEFAULT_LIMITS = AnnotationLimits()
MOST_POINTS = 64  # of one prompt, as in the task `random_points`
MOST_NAME = 4096  # characters of an image's name
MOST_CHARACTERS = 200  # of an object's id, and of a category
BOX_NUMBERS = 4

_KEYS: tuple[ImageKey, ...] = get_args(ImageKey)
_OF_LINE = frozenset({*_KEYS, "coordinates", "objects"})
_OF_PROMPT = frozenset({"points", "labels", "box", "mask", "multimask"})
_OF_OBJECT = frozenset({"id", "category", "category_id", "prompts"}) | _OF_PROMPT


class PromptsInvalid(InvalidInput):
    """The prompts are not a valid prompts file."""

    code = "prompts_invalid"


class PromptsTooLarge(TooLarge):
    """The prompts file is larger than this server accepts."""

    code = "prompts_too_large"


@dataclass(frozen=True, slots=True)
class PromptedObject:
    """An object of an image, with prompts that are decoded one by one.

    A category has a name or an id, or the object has none.
    """

    object_id: str
    prompts: tuple[Prompt, ...]
    category: str | None = None
    category_id: int | None = None


@dataclass(frozen=True, slots=True)
class ImagePrompts:
    """One line: an image and its objects. `key` says what `image` is: a file name, a COCO id or a manifest's id.

    With `coordinates` "relative", x and y are fractions of the width and height of the upright image, else pixels of
    it.
    """

    line: int
    image: str | int
    objects: tuple[PromptedObject, ...]
    coordinates: Coordinates = "pixels"
    key: ImageKey = "file_name"

    @property
    def prompt_count(self) -> int:
        return sum(len(one.prompts) for one in self.objects)

    @property
    def mask_bytes(self) -> int:
        prompts = (prompt for one in self.objects for prompt in one.prompts)
        return sum(len(prompt.mask.counts) for prompt in prompts if prompt.mask is not None)


def check_line(where: str, value: Any, max_pixels: int = DEFAULT_LIMITS.pixels, *, number: int = 1) -> ImagePrompts:
    """Validate the content of the line of this number; raises `PromptsInvalid`, which begins with `where`.

    A mask has at most `max_pixels` pixels.
    """
    return _image(_Place(where, max_pixels), number, value)


@dataclass(frozen=True, slots=True)
class _Place:
    """A place in the file, for the messages of errors. Masks have at most `max_pixels` pixels."""

    name: str
    max_pixels: int

    def error(self, message: str) -> PromptsInvalid:
        return PromptsInvalid(f"{self.name}: {message}")

    def within(self, part: str) -> _Place:
        return replace(self, name=f"{self.name}, {part}")

    def members(self, value: Any, known: frozenset[str], what: str) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise self.error(f"{what} must be a JSON object")
        if unknown := sorted(set(value) - known):
            raise self.error(f"unknown member {unknown[0][:60]!r}; known are {', '.join(sorted(known))}")
        return value

    def list_of(self, values: Mapping[str, Any], name: str) -> Sequence[Any]:
        value = values.get(name)
        if not isinstance(value, list):
            raise self.error(f"{name} must be a list")
        return value


def _image(place: _Place, number: int, value: Any) -> ImagePrompts:
    members = place.members(value, _OF_LINE, "a line")
    coordinates: Any = "pixels" if members.get("coordinates") is None else members["coordinates"]
    if coordinates not in ("pixels", "relative"):
        raise place.error("coordinates is 'pixels', or 'relative' for fractions of the image's width and height")
    objects = tuple(
        _object(place.within(f"objects[{index}]"), one) for index, one in enumerate(place.list_of(members, "objects"))
    )
    seen: set[str] = set()
    for one in objects:
        if one.object_id in seen:
            raise place.error(f"the object id {one.object_id!r} occurs twice; ids must be unique in an image")
        seen.add(one.object_id)
        if coordinates == "relative":
            _check_fractions(place, one)
    key, image = _image_key(place, members)
    return ImagePrompts(number, image, objects, coordinates, key)


def _check_fractions(place: _Place, one: PromptedObject) -> None:
    """Raise for pixels that are taken for fractions. An image of one pixel may have prompts a pixel outside."""
    for prompt in one.prompts:
        numbers = [*(number for point in prompt.points for number in point), *(prompt.box or ())]
        if (odd := next((number for number in numbers if not -1 <= number <= 2), None)) is not None:  # noqa: PLR2004
            raise place.error(
                f"object {one.object_id!r} has the coordinate {odd:g}, but they are fractions of the image's width and "
                "height, 0 to 1"
            )


def _image_key(place: _Place, members: Mapping[str, Any]) -> tuple[ImageKey, str | int]:
    given = [key for key in _KEYS if members.get(key) is not None]
    if len(given) != 1:
        raise place.error("give either file_name, or image_id, the COCO id, or external_id, the id in a manifest")
    key, value = given[0], members[given[0]]
    if key == "image_id":
        return key, _whole(place, key, value)
    if key == "external_id" and type(value) is int:
        value = str(value)  # as in a manifest
    if not isinstance(value, str) or not 0 < len(value) <= MOST_NAME:
        raise place.error(f"{key} must be a text of 1 to {MOST_NAME} characters")
    if "\0" in value or value != value.encode(errors="ignore").decode():  # PostgreSQL stores neither
        raise place.error(f"{key} has a null character or half a surrogate pair, which no image's name has")
    return key, value


def _object(place: _Place, value: Any) -> PromptedObject:
    members = place.members(value, _OF_OBJECT, "an object")
    object_id, category, category_id = (members.get(name) for name in ("id", "category", "category_id"))
    if type(object_id) is int:
        object_id = str(object_id)
    if not is_word(object_id):
        raise place.error(f"id must be a whole number, or a text of 1 to {MOST_CHARACTERS} printable characters")
    place = place.within(f"object {object_id!r}")
    if category is not None and category_id is not None:
        raise place.error("give either category, a name, or category_id")
    if category is not None and not is_word(category):
        raise place.error(f"category must be a name of 1 to {MOST_CHARACTERS} printable characters")
    if category_id is not None:
        _whole(place, "category_id", category_id)
    return PromptedObject(str(object_id), _prompts(place, members), category, category_id)


def _prompts(place: _Place, members: Mapping[str, Any]) -> tuple[Prompt, ...]:
    if members.get("prompts") is None:
        return (_prompt(place, members),)
    if both := sorted(name for name in _OF_PROMPT if members.get(name) is not None):
        raise place.error(f"give either prompts, or {both[0]} of the only prompt")
    listed = place.list_of(members, "prompts")
    if not listed:
        raise place.error("it has no prompts; give points, a box or a mask")
    places = [place.within(f"prompts[{index}]") for index in range(len(listed))]
    return tuple(
        _prompt(where, where.members(one, _OF_PROMPT, "a prompt")) for where, one in zip(places, listed, strict=True)
    )


def _prompt(place: _Place, members: Mapping[str, Any]) -> Prompt:
    points = [_numbers(place, "a point", one, 2) for one in _optional(place, members, "points")]
    labels = _optional(place, members, "labels") if members.get("labels") is not None else [1] * len(points)
    box = None if members.get("box") is None else _numbers(place, "box", members["box"], BOX_NUMBERS)
    mask = None if members.get("mask") is None else _mask(place, members["mask"])
    multimask = members.get("multimask")
    if len(points) > MOST_POINTS:
        raise place.error(f"a prompt has {len(points)} points; give at most {MOST_POINTS}")
    if not all(type(label) is int for label in labels):
        raise place.error("labels must be 1 (foreground) or 0 (background)")
    if multimask is None:
        multimask = box is None and mask is None and len(points) == 1  # only a single point is ambiguous
    if not isinstance(multimask, bool):
        raise place.error("multimask must be true or false")
    try:
        return Prompt(
            points=tuple((x, y) for x, y in points),
            labels=tuple(labels),
            box=None if box is None else (box[0], box[1], box[2], box[3]),
            multimask=multimask,
            mask=mask,
        )
    except TaskInvalid as error:
        raise place.error(error.message) from error


def _mask(place: _Place, value: Any) -> PromptMask:
    """Return a mask of the whole image, from COCO's RLE as a string or as a list of run lengths."""
    if not isinstance(value, dict) or set(value) != {"size", "counts"}:
        raise place.error("mask must be COCO's RLE, an object with size and counts")
    try:
        extent = check_segmentation(value, None, place.max_pixels)
    except SegmentationInvalid as error:
        raise place.error(f"mask: {error}") from error
    if not extent.area:
        raise place.error("mask has no pixels; leave the object out")
    height, width = value["size"]
    return PromptMask((height, width), compressed_counts(value))


def _optional(place: _Place, members: Mapping[str, Any], name: str) -> Sequence[Any]:
    return () if members.get(name) is None else place.list_of(members, name)


def _numbers(place: _Place, what: str, value: Any, count: int) -> tuple[float, ...]:
    if not isinstance(value, list) or len(value) != count or not all(is_number(number) for number in value):
        form = "two numbers x, y" if count == 2 else "four numbers x0, y0, x1, y1"  # noqa: PLR2004 - a point has two
        raise place.error(f"{what} must be {form}")
    return tuple(float(number) for number in value)


def _whole(place: _Place, name: str, value: Any) -> int:
    if type(value) is not int or not 0 <= value < MAX_ID:
        raise place.error(f"{name} must be a whole number, 0 or more")
    return value


def is_word(value: Any) -> bool:
    """Return whether the value may be an id or a category: a short printable text."""
    return isinstance(value, str) and 0 < len(value) <= MOST_CHARACTERS and value.isprintable()
