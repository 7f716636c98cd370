"""Readers of what exports state of the manifest of their images, by the libraries of their tools."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Stated = dict[str, tuple[str, Any]]  # the id and the metadata of the manifest, by the stem of the image's name


def stated_in_coco(folder: Path) -> Stated:
    from pycocotools.coco import COCO

    loaded = COCO(str(folder / "export.json"))
    images = loaded.loadImgs(loaded.getImgIds())
    return {Path(one["file_name"]).stem: (one["external_id"], one["metadata"]) for one in images}


def stated_in_labelme(folder: Path) -> Stated:
    """Take what `labelme.LabelFile` keeps as `otherData`: members besides its own."""
    documents = ((path, json.loads(path.read_text())) for path in folder.glob("[0-9]*.json"))
    return {path.stem: (one["external_id"], one["metadata"]) for path, one in documents}


def stated_in_tasks(folder: Path) -> Stated:
    """Check that the tasks fit a labelling interface that shows the id and the metadata."""
    from label_studio_sdk.label_interface import LabelInterface

    tags = '<BrushLabels name="label" toName="image"><Label value="object"/></BrushLabels>'
    texts = '<Text name="id" value="$external_id"/>'
    interface = LabelInterface(f'<View><Image name="image" value="$image"/>{texts}{tags}</View>')
    found = {}
    for task in json.loads((folder / "export.json").read_text()):
        data = task["data"]
        assert interface.validate_task({"data": data}), data
        found[Path(data["image"]).stem] = data["external_id"], data["metadata"]
    return found


def stated_in_layers(folder: Path) -> Stated:
    import pyogrio.raw

    found = {}
    for path in folder.glob("*.gpkg"):
        meta, _, _, columns = pyogrio.raw.read(path, layer="masks", max_features=1)
        row = dict(zip(meta["fields"], columns, strict=True))
        if len(row["mask"]):
            found[path.stem] = row["external_id"][0], json.loads(row["metadata"][0])
    return found


def stated_in_table(folder: Path) -> Stated:
    from pyarrow.parquet import read_table

    rows = read_table(folder / "export.parquet").to_pylist()
    return {Path(row["file_name"]).stem: (row["external_id"], json.loads(row["metadata"])) for row in rows}


def stated_in_shapes(folder: Path) -> Stated:
    images = ((path, json.loads(path.read_text())["image"]) for path in folder.glob("*.geojson"))
    return {path.stem: (one["external_id"], one["metadata"]) for path, one in images}


STATED: dict[str, Callable[[Path], Stated]] = {
    "instances": stated_in_coco,
    "coco_polygons": stated_in_coco,
    "labelme": stated_in_labelme,
    "label_studio": stated_in_tasks,
    "gpkg": stated_in_layers,
    "parquet": stated_in_table,
    "geojson": stated_in_shapes,
}


def stated_in(form: str, folder: Path) -> Stated | None:
    """Return what an export states; None if its format has no place for it."""
    return STATED[form](folder) if form in STATED else None
