"""Labels of FiftyOne (samples.json of a FiftyOneDataset) and of Label Studio (its JSON export), boxes and points."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from samfleet.datasets.json_array import JsonArrayInvalid, iter_json_array, iter_json_members
from samfleet.datasets.names import is_image_name
from samfleet.datasets.prompt_formats.foreign import ForeignImage, LabelsUnreadable, numbers_of

PERCENT = 100.0
LISTS = {"Detections": "detections", "Keypoints": "keypoints"}


def read_fiftyone(path: Path) -> Iterator[ForeignImage]:
    file = path / "samples.json" if path.is_dir() else path
    try:
        with file.open("rb") as content:
            for name, samples in iter_json_members(content):
                if name == "samples" and samples is not None:
                    for index, sample in enumerate(samples):
                        yield _sample(f"{file}, samples[{index}]", sample)
    except JsonArrayInvalid as error:
        raise LabelsUnreadable(f"{file} {error}; name the folder or the samples.json of a FiftyOneDataset") from error


def _sample(where: str, sample: Any) -> ForeignImage:
    if not isinstance(sample, dict) or not isinstance(sample.get("filepath"), str):
        raise LabelsUnreadable(f"{where} has no filepath")
    image = ForeignImage(where, sample["filepath"], [], "relative")
    for value in sample.values():
        kind = value.get("_cls") if isinstance(value, dict) else None
        if not isinstance(kind, str):
            continue
        for label in _list(where, value, LISTS[kind]) if kind in LISTS else [value]:
            _add_label(image, where, label)
    return image


def _list(where: str, value: dict[str, Any], name: str) -> list[Any]:
    labels = value.get(name)
    if not isinstance(labels, list):
        raise LabelsUnreadable(f"{where} has no list of {name}")
    return labels


def _add_label(image: ForeignImage, where: str, label: Any) -> None:
    if not isinstance(label, dict):
        raise LabelsUnreadable(f"{where} has a label that is not a JSON object")
    identity = label.get("_id")
    number = identity.get("$oid") if isinstance(identity, dict) else identity
    base = {"id": number or label.get("id") or len(image.objects) + 1, **_category(label.get("label"))}
    if label.get("_cls") == "Detection":
        x, y, width, height = _four(where, label.get("bounding_box"))
        image.objects.append({**base, "box": [x, y, x + width, y + height]})
    elif label.get("_cls") == "Keypoint":
        image.objects.append({**base, "points": label.get("points")})
    elif label.get("_cls") != "ImageMetadata":
        image.skipped.append(str(label.get("_cls")))


def read_label_studio(path: Path) -> Iterator[ForeignImage]:
    try:
        with path.open("rb") as content:
            for index, task in enumerate(iter_json_array(content)):
                yield _task(f"{path}, task {index}", task)
    except JsonArrayInvalid as error:
        raise LabelsUnreadable(f"{path} {error}; give Label Studio's export as JSON") from error


def _task(where: str, task: Any) -> ForeignImage:
    """Return the regions of the first annotation that was not cancelled; further ones repeat the same objects."""
    if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
        raise LabelsUnreadable(f"{where} has no data")
    image = ForeignImage(where, _image_of(where, task["data"]), [], "relative")
    annotations = _regions(where, task, "annotations")
    given = [one for one in annotations if isinstance(one, dict) and not one.get("was_cancelled")]
    image.skipped.extend("annotation by another person" for _ in given[1:])
    for region in _regions(where, given[0], "result") if given else ():
        _add_region(image, where, region)
    return image


def _regions(where: str, holder: dict[str, Any], name: str) -> list[Any]:
    value = holder.get(name) or []
    if not isinstance(value, list):
        raise LabelsUnreadable(f"{where}: {name} is not a list")
    return value


def _image_of(where: str, data: dict[str, Any]) -> str:
    """Return the image's address: `image`, or the only member that is one."""
    addresses = [value for value in data.values() if isinstance(value, str) and is_image_name(value.partition("#")[0])]
    address = data.get("image") or (addresses[0] if len(addresses) == 1 else None)
    if not isinstance(address, str):
        raise LabelsUnreadable(f"{where}: data has no image")
    return address


def _add_region(image: ForeignImage, where: str, region: Any) -> None:
    if not isinstance(region, dict) or not isinstance(region.get("value"), dict):
        raise LabelsUnreadable(f"{where} has a region without a value")
    kind, value = str(region.get("type")), region["value"]
    names = value.get(kind)
    name = names[0] if isinstance(names, list) and names else None
    base = {"id": region.get("id") or len(image.objects) + 1, **_category(name)}
    if kind in {"rectanglelabels", "rectangle"}:
        if value.get("rotation"):
            raise LabelsUnreadable(f"{where}: region {base['id']!r} is rotated, and a prompt's box is not; remove it")
        x, y, width, height = _four(where, [value.get(name) for name in ("x", "y", "width", "height")])
        image.objects.append({**base, "box": [n / PERCENT for n in (x, y, x + width, y + height)]})
    elif kind in {"keypointlabels", "keypoint"}:
        x, y = numbers_of(where, [value.get("x"), value.get("y")])
        image.objects.append({**base, "points": [[x / PERCENT, y / PERCENT]]})
    else:
        image.skipped.append(kind)


def _category(name: Any) -> dict[str, Any]:
    return {"category": name} if name else {}


def _four(where: str, value: Any) -> tuple[float, float, float, float]:
    if not isinstance(value, list) or len(value) != 4:  # noqa: PLR2004 - a box has four numbers
        raise LabelsUnreadable(f"{where} has a box that is not four numbers")
    x, y, width, height = numbers_of(where, value)
    return x, y, width, height
