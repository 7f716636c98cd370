from __future__ import annotations

import io
from dataclasses import replace

import pytest
from PIL import Image

from samfleet.jobs.results import Annotation, ShardImage
from samfleet.jobs.task import parse_job_task
from samfleet.variants.task import Prompt
from samfleet_worker.prompts import PromptInvalid, build_prompts

BOX = parse_job_task({"kind": "prompts", "prompt": "box"})
POINT = parse_job_task({"kind": "prompts", "prompt": "center_point"})
SQUARE = [[2.0, 3.0, 7.0, 3.0, 7.0, 8.0, 2.0, 8.0]]  # pixels 2..6 across, 3..7 down
INSTANCE = Annotation(2, 7, (2.25, 3.5, 5.0, 4.5), iscrowd=False, segmentation=SQUARE)
CROWD = replace(INSTANCE, annotation_id=1, iscrowd=True)
IMAGE = ShardImage(1, 101, "a.png", "store:a", 10, (CROWD, INSTANCE))


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (12, 10)).save(buffer, "PNG")
    return buffer.getvalue()


def test_boxes_are_corners_unrounded_and_need_no_image() -> None:
    assert build_prompts(BOX, IMAGE, b"", 1000) == (Prompt(box=(2.25, 3.5, 7.25, 8.0)),)


def test_a_centre_point_is_the_deepest_pixel() -> None:
    assert build_prompts(POINT, IMAGE, png(), 1000) == (Prompt(points=((4.0, 5.0),), labels=(1,), multimask=True),)


def test_an_object_too_thin_for_a_pixel_is_prompted_at_its_box() -> None:
    thin = replace(INSTANCE, segmentation=[[2.0, 3.0, 2.1, 3.0, 2.1, 3.1]], bbox=(2.0, 3.0, 0.5, 0.25))
    prompts = build_prompts(POINT, replace(IMAGE, annotations=(thin,)), png(), 1000)
    assert prompts[0].points == ((2.25, 3.125),)


def test_nothing_annotated_is_nothing_prompted() -> None:
    assert build_prompts(POINT, replace(IMAGE, annotations=(CROWD,)), b"", 1000) == ()
    assert build_prompts(parse_job_task({"kind": "everything"}), IMAGE, b"", 1000) == ()


def test_a_box_of_negative_width_is_the_image_s_error() -> None:
    wrong = replace(INSTANCE, bbox=(2.0, 3.0, -1.0, 4.0))
    with pytest.raises(PromptInvalid, match="annotation 2 cannot be used"):
        build_prompts(BOX, replace(IMAGE, annotations=(wrong,)), b"", 1000)
