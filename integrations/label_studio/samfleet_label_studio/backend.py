"""Predictions for the tasks of a project."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from pydantic import BaseModel

from samfleet.client import Client, Prediction, SegmentResult
from samfleet.masks.polygons import DEFAULT_TOLERANCE
from samfleet_label_studio.images import ImageSource
from samfleet_label_studio.interface import MaskTag, mask_tag
from samfleet_label_studio.prompts import drawn_prompt

logger = logging.getLogger(__name__)


class Task(BaseModel):
    """A task of a project; `data` has the address of its image under the name that the labelling interface says."""

    id: int | str | None = None
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Backend:
    """Segments images of tasks with one variant. `task` is the API's task object."""

    client: Client
    images: ImageSource
    variant: str
    task: Mapping[str, Any]

    def annotate(self, tasks: Sequence[Task], config: str) -> list[dict[str, Any]]:
        """Return a prediction for each task, with all masks of its image. All images are one job.

        An image that cannot be segmented gets a prediction without regions, and a warning in the log, so that the
        others keep theirs. Raises `JobFailed` if none can be segmented, and the errors of images and the client.
        """
        tag = mask_tag(config)
        with TemporaryDirectory(prefix="samfleet-") as folder:
            paths = [self._image(task, tag, position, Path(folder)) for position, task in enumerate(tasks)]
            if not paths:
                return []
            with self.client.segment(paths, self.variant, task=self.task, keep=False) as results:
                found = {result.file_name: self._everything(result, tag) for result in results}
        return [found[path.name] for path in paths]

    def segment(self, task: Task, config: str, context: Mapping[str, Any]) -> dict[str, Any]:
        """Return a prediction with the mask of the object that an annotator has just marked, without a job.

        It gets the label that the annotator has chosen, if the tag of masks has it, or else the tag's first. Raises
        `DrawnPromptInvalid`, and the errors of images and the client.
        """
        tag, prompt = mask_tag(config), drawn_prompt(context)
        with TemporaryDirectory(prefix="samfleet-") as folder:
            found = self.client.predict(
                self._image(task, tag, 0, Path(folder)),
                self.variant,
                points=prompt.points or None,
                labels=prompt.labels or None,
                boxes=prompt.boxes or None,
            )
        return self._prediction(found, tag, prompt.label if prompt.label in tag.labels else tag.labels[0])

    def _image(self, task: Task, tag: MaskTag, position: int, folder: Path) -> Path:
        separate = folder / "fetched"
        separate.mkdir(exist_ok=True)
        path = self.images.fetch(task.data.get(tag.key), task.id, separate)
        named = folder / f"{position:06}{path.suffix.lower()}"  # two tasks may have the same image
        named.write_bytes(path.read_bytes())
        return named

    def _everything(self, result: SegmentResult, tag: MaskTag) -> dict[str, Any]:
        if result.error:
            logger.warning("%s: %s [%s]", result.file_name, result.error.message, result.error.code)
        return self._prediction(result, tag, tag.labels[0])

    def _prediction(self, found: SegmentResult | Prediction, tag: MaskTag, label: str) -> dict[str, Any]:
        regions = [
            region
            for index, record in enumerate(found.records)
            for region in regions_of(record, float(found.scores[index]), tag, label)
        ]
        score = float(found.scores.mean()) if len(found) else 0.0
        return {"result": regions, "score": score, "model_version": self.variant}


def regions_of(record: Mapping[str, Any], score: float, tag: MaskTag, label: str) -> list[dict[str, Any]]:
    """Return a mask as regions: one brush, or a polygon for each of its parts. None for an empty mask."""
    height, width = record["segmentation"]["size"]
    return [
        {
            "id": uuid4().hex[:10],
            "type": tag.form.kind,
            "from_name": tag.name,
            "to_name": tag.image,
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "score": score,
            "value": {**value, tag.form.kind: [label]},
        }
        for _part, value in tag.form.values(record, DEFAULT_TOLERANCE)
    ]
