from __future__ import annotations

import io
from dataclasses import replace
from functools import partial

import pytest
from PIL import Image

from samfleet.jobs.outcomes import Annotation, Detection, ShardImage
from samfleet.jobs.task import JobTask, parse_job_task
from samfleet.masks.image_file import upright_size
from samfleet.quality.sizes import AnnotationSizeMismatch
from samfleet.variants.catalogue import get_variant
from samfleet.variants.task import Prompt
from samfleet_worker.prompts import PromptInvalid, build_prompts, prompt_origins

BOX = parse_job_task({"kind": "prompts", "prompt": "box"})
POINT = parse_job_task({"kind": "prompts", "prompt": "center_point"})
SQUARE = [[2.0, 3.0, 7.0, 3.0, 7.0, 8.0, 2.0, 8.0]]  # pixels 2..6 across, 3..7 down
INSTANCE = Annotation(2, 7, (2.25, 3.5, 5.0, 4.5), iscrowd=False, segmentation=SQUARE)
CROWD = replace(INSTANCE, annotation_id=1, iscrowd=True)
SURE = Detection(5, 3, (0.0, 1.0, 8.0, 9.0), 0.9)
UNSURE = Detection(6, 3, (2.0, 1.0, 8.0, 9.0), 0.1)
IMAGE = ShardImage(1, 101, "a.png", "store:a", 10, (CROWD, INSTANCE), (UNSURE, SURE))
EVERYTHING = {"kind": "everything", "sampler": "object_aware"}
ANNOTATED = parse_job_task({**EVERYTHING, "boxes_from": "annotations"})
DETECTED = parse_job_task(EVERYTHING)


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (12, 10)).save(buffer, "PNG")
    return buffer.getvalue()


def prompts_of(task: JobTask, image: ShardImage, data: bytes | None = None) -> tuple[Prompt, ...]:
    origins = prompt_origins(task, task.parameters(get_variant("mobile_sam")), image)
    return build_prompts(task, image, origins, partial(upright_size, png() if data is None else data, 1000))


def test_boxes_are_unrounded_corners() -> None:
    assert prompts_of(BOX, IMAGE) == (Prompt(box=(2.25, 3.5, 7.25, 8.0)),)


def test_a_centre_point_is_the_pixel_farthest_from_the_edge() -> None:
    assert prompts_of(POINT, IMAGE, png()) == (Prompt(points=((4.0, 5.0),), labels=(1,), multimask=True),)


def test_an_object_thinner_than_a_pixel_is_prompted_at_its_box() -> None:
    thin = replace(INSTANCE, segmentation=[[2.0, 3.0, 2.1, 3.0, 2.1, 3.1]], bbox=(2.0, 3.0, 0.5, 0.25))
    prompts = prompts_of(POINT, replace(IMAGE, annotations=(thin,)), png())
    assert prompts[0].points == ((2.25, 3.125),)


def test_random_points_are_pixels_of_the_mask_and_do_not_depend_on_other_objects() -> None:
    task = parse_job_task({"kind": "prompts", "prompt": "random_points", "points": 4, "seed": 1})
    (alone,) = prompts_of(task, IMAGE)
    assert (len(set(alone.points)), alone.labels, alone.multimask) == (4, (1, 1, 1, 1), True)
    assert all(2 <= x <= 6 and 3 <= y <= 7 for x, y in alone.points)
    before = replace(INSTANCE, annotation_id=1)
    assert prompts_of(task, replace(IMAGE, annotations=(before, INSTANCE)))[1] == alone
    thin = replace(INSTANCE, segmentation=[[2.0, 3.0, 2.1, 3.0, 2.1, 3.1]], bbox=(2.0, 3.0, 0.5, 0.25))
    assert prompts_of(task, replace(IMAGE, annotations=(thin,)))[0].points == ((2.25, 3.125),)


def test_an_image_without_annotations_has_no_prompts() -> None:
    assert prompts_of(POINT, replace(IMAGE, annotations=(CROWD,))) == ()
    assert prompts_of(parse_job_task({"kind": "everything"}), IMAGE) == ()


def test_a_box_of_negative_width_is_an_error_of_the_image() -> None:
    wrong = replace(INSTANCE, bbox=(2.0, 3.0, -1.0, 4.0))
    with pytest.raises(PromptInvalid, match="annotation 2 cannot be used"):
        prompts_of(BOX, replace(IMAGE, annotations=(wrong,)))


def test_object_aware_sampling_requests_single_masks_of_boxes() -> None:
    assert prompts_of(ANNOTATED, IMAGE) == (Prompt(box=(2.25, 3.5, 7.25, 8.0)),)
    assert prompts_of(DETECTED, IMAGE) == (Prompt(box=(0.0, 1.0, 8.0, 10.0)),)
    assert prompts_of(DETECTED, replace(IMAGE, detections=())) == ()
    every = parse_job_task({**EVERYTHING, "detection_score_thresh": 0})
    assert [prompt.box for prompt in prompts_of(every, IMAGE)] == [(0.0, 1.0, 8.0, 10.0), (2.0, 1.0, 10.0, 10.0)]


def test_no_prompts_are_sent_if_the_backend_finds_the_boxes() -> None:
    task = parse_job_task({**EVERYTHING, "boxes_from": "detector"})
    assert prompt_origins(task, task.parameters(get_variant("mobilesamv2")), IMAGE) == ()


@pytest.mark.parametrize("size", [[65535, 65535], [12, 10], [5, 6]])
def test_run_lengths_of_another_size_are_refused_before_they_are_decoded(size: list[int]) -> None:
    """The largest states 4 GiB of pixels in a few characters; the image has 10 rows of 12."""
    runs = {"size": size, "counts": [0, size[0] * size[1]]}
    stated = replace(INSTANCE, segmentation=runs)
    with pytest.raises(AnnotationSizeMismatch, match=rf"size \[{size[0]}, {size[1]}\], the image has \[10, 12\]"):
        prompts_of(POINT, replace(IMAGE, annotations=(stated,)), png())


def test_polygons_far_beyond_the_image_are_refused_before_they_are_drawn() -> None:
    far = replace(INSTANCE, segmentation=[[0.0, 0.0, 1e7, 0.0, 0.0, 1e7]])
    with pytest.raises(PromptInvalid, match="longer than 1000000 pixels"):
        prompts_of(POINT, replace(IMAGE, annotations=(far,)), png())


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_centre_points_are_in_the_upright_image_for_every_format(kind: str, orientation: int) -> None:
    """The object lies beyond the shorter side; in a TIFF it was drawn into an image with exchanged sides."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = Image.new("RGB", (48, 20))
    back = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    stored = upright.transpose(back[orientation]) if orientation in back else upright
    buffer = io.BytesIO()
    stored.save(buffer, kind, exif=exif)
    far = replace(INSTANCE, segmentation=[[30.0, 3.0, 45.0, 3.0, 45.0, 18.0, 30.0, 18.0]])
    prompts = prompts_of(POINT, replace(IMAGE, annotations=(far,)), buffer.getvalue())
    assert prompts[0].points == ((37.0, 10.0),)


@pytest.mark.parametrize("task", [BOX, POINT, ANNOTATED])
def test_annotations_of_another_size_are_refused(task: JobTask) -> None:
    """The file states 24 x 20, the image has 12 x 10; the object lies outside the image but inside the stated size."""
    far = replace(INSTANCE, segmentation=[[12.0, 3.0, 17.0, 3.0, 17.0, 8.0]], bbox=(12.0, 3.0, 5.0, 5.0))
    image = replace(IMAGE, annotations=(INSTANCE, far), stated_size=(24, 20))
    with pytest.raises(AnnotationSizeMismatch, match=r"state 24 x 20 and reach to \(17, 8\), the image has 12 x 10"):
        prompts_of(task, image)


@pytest.mark.parametrize("stated", [(10, 12), (24, 20), None])
def test_a_wrong_stated_size_with_right_coordinates_still_gives_prompts(stated: tuple[int, int] | None) -> None:
    assert prompts_of(BOX, replace(IMAGE, stated_size=stated)) == (Prompt(box=(2.25, 3.5, 7.25, 8.0)),)
