from __future__ import annotations

import io
import json
import unicodedata
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from fixtures.datasets.labels import IMAGES, WRITERS, packed_labels
from samfleet.datasets import prompts as prompts_module
from samfleet.datasets.image_uploads import UploadedFile, add_images
from samfleet.datasets.listing import ListingRequest, create_sealed, list_directory
from samfleet.datasets.prompt_formats.foreign import LabelsOfNoImage
from samfleet.datasets.prompt_formats.uploaded import LabelFormat
from samfleet.datasets.prompt_lines import PromptsInvalid, PromptsTooLarge
from samfleet.datasets.prompts import PromptsNotFound
from samfleet.datasets.service import InputLimits, create_upload
from samfleet.datasets.upload_errors import DatasetSealed
from samfleet.datasets.uploads import put_annotations, put_prompts, seal
from samfleet.db.models import Dataset, DatasetPrompts, Tenant
from samfleet.db.session import read_only, transaction
from samfleet.storage.memory_store import MemoryStore
from samfleet.variants.task import PromptMask

LIMITS = InputLimits()
BOX = {"box": [0, 0, 2, 2]}


def line(image: str | int, *objects: dict[str, Any], **members: Any) -> dict[str, Any]:
    name = "file_name" if isinstance(image, str) else "image_id"
    return {name: image, "objects": list(objects), **members}


def text_of(*lines: dict[str, Any]) -> bytes:
    return "".join(json.dumps(one) + "\n" for one in lines).encode()


class Upload:
    """An open dataset with images, by default a.jpg and b.jpg."""

    def __init__(self, engine: Engine, names: Sequence[str] = ("a.jpg", "b.jpg")) -> None:
        self.engine, self.store = engine, MemoryStore()
        with transaction(engine) as session:
            tenant = Tenant(name=uuid.uuid4().hex)
            session.add(tenant)
            session.flush()
            self.ids = tenant.id, create_upload(session, tenant.id).id
        files = [UploadedFile(name, io.BytesIO(b"image")) for name in names]
        add_images(engine, self.store, *self.ids, files, max_image_bytes=100, limits=LIMITS)

    def prompt(self, *lines: dict[str, Any]) -> Dataset:
        return put_prompts(self.engine, self.store, *self.ids, io.BytesIO(text_of(*lines)), LIMITS)

    def annotate(self, *categories: str) -> None:
        document = {
            "images": [{"id": 70, "file_name": "a.jpg"}],
            "annotations": [{"id": 1, "image_id": 70, "category_id": 5, "segmentation": [[0, 0, 4, 0, 4, 3]]}],
            "categories": [{"id": 5 + n, "name": name} for n, name in enumerate(categories)],
        }
        content = io.BytesIO(json.dumps(document).encode())
        put_annotations(self.engine, self.store, *self.ids, content, LIMITS.annotations)

    def seal(self) -> Dataset:
        return seal(self.engine, self.store, *self.ids, LIMITS)

    def rows(self) -> list[DatasetPrompts]:
        return rows_of(self.engine, self.ids[1])


def rows_of(engine: Engine, dataset_id: uuid.UUID) -> list[DatasetPrompts]:
    query = select(DatasetPrompts).where(DatasetPrompts.dataset_id == dataset_id).order_by(DatasetPrompts.image_id)
    with read_only(engine) as session:
        return list(session.scalars(query))


@pytest.fixture
def upload(engine: Engine) -> Upload:
    return Upload(engine)


def test_prompts_are_matched_to_images_by_name_or_id_when_sealed(upload: Upload) -> None:
    points = {"id": "x", "category": "cat", "points": [[1, 2]], "labels": [0], "box": [0, 0, 3, 4]}
    several = {"id": 2, "category": "dog", "prompts": [BOX, {"points": [[1, 1]]}]}
    received = upload.prompt(line("b.jpg", points, several), line(1, {"id": "y", "category": "cat", **BOX}))
    assert (received.prompt_count, received.prompted_image_count) == (4, None)
    sealed = upload.seal()
    assert (sealed.prompt_count, sealed.prompted_image_count) == (4, 2)
    assert sealed.categories == [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    first, second = upload.rows()
    box = {"box": [0, 0, 2, 2], "multimask": False}
    assert (first.image_id, first.coordinates, first.prompt_count) == (1, "pixels", 1)
    assert first.objects == [{"id": "y", "category_id": 1, "prompts": [box]}]
    assert (second.image_id, second.prompt_count) == (2, 3)
    assert second.objects == [
        {
            "id": "x",
            "category_id": 1,
            "prompts": [{"points": [[1, 2]], "labels": [0], "box": [0, 0, 3, 4], "multimask": False}],
        },
        {"id": "2", "category_id": 2, "prompts": [box, {"points": [[1, 1]], "labels": [1], "multimask": True}]},
    ]


def test_many_lines_are_written_in_batches(upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompts_module, "LINES_AT_ONCE", 1)
    upload.prompt(line("b.jpg", {"id": 1, **BOX}), line("a.jpg", {"id": 1, **BOX}))
    assert upload.seal().prompted_image_count == 2
    upload = Upload(upload.engine)
    upload.prompt(line("b.jpg", {"id": 1, **BOX}), line("b.jpg", {"id": 2, **BOX}))
    with pytest.raises(PromptsInvalid, match=r"line 2: the image 'b.jpg' has an earlier line"):
        upload.seal()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([line("c.jpg", {"id": 1, **BOX})], "line 1: 'c.jpg' is not an image of this dataset"),
        ([line("A.jpg", {"id": 1, **BOX})], "line 1: 'A.jpg' is not an image"),
        ([line(1, {"id": 1, **BOX}), line(3, {"id": 1, **BOX})], "line 2: 3 is not an image"),
        ([line(2, {"id": 1, **BOX}), line("b.jpg", {"id": 1, **BOX})], "line 2: the image 'b.jpg' has an earlier line"),
        (
            [line(1, {"id": 1, "category": "cat", **BOX}, {"id": 2, "category_id": 1, **BOX})],
            "line 1: the file has both category and category_id",
        ),
    ],
)
def test_an_error_names_the_line_and_seals_nothing(upload: Upload, lines: list[dict[str, Any]], message: str) -> None:
    upload.prompt(*lines)
    with pytest.raises(PromptsInvalid, match=message):
        upload.seal()
    assert upload.rows() == []
    upload.prompt(line("a.jpg", {"id": 1, **BOX}))
    assert upload.seal().prompt_count == 1


def test_categories_are_those_of_the_annotations(upload: Upload) -> None:
    upload.annotate("cat", "dog", "dog")
    upload.prompt(line(70, {"id": 1, "category": "cat", **BOX}, {"id": 2, "category_id": 9, **BOX}, {"id": 3, **BOX}))
    sealed = upload.seal()
    assert [one["name"] for one in sealed.categories or ()] == ["cat", "dog", "dog"]
    assert [one.get("category_id") for one in upload.rows()[0].objects] == [5, 9, None]


@pytest.mark.parametrize(("name", "message"), [("cow", "no category"), ("dog", "several categories")])
def test_a_category_must_be_one_of_the_annotations(upload: Upload, name: str, message: str) -> None:
    upload.annotate("cat", "dog", "dog")
    upload.prompt(line("a.jpg", {"id": 1, "category": name, **BOX}))
    with pytest.raises(PromptsInvalid, match=f"line 1: {message} of the annotations file has the name '{name}'"):
        upload.seal()


def test_a_second_file_replaces_the_first_and_its_bytes_are_counted(upload: Upload) -> None:
    before = upload.prompt(line("a.jpg", {"id": 1, **BOX}), line("b.jpg", {"id": 1, **BOX}))
    after = upload.prompt(line("a.jpg", {"id": 1, **BOX}))
    (info,) = upload.store.list(f"datasets/{upload.ids[1]}/prompts/")
    assert after.stored_objects == before.stored_objects == 3
    assert after.prompts_bytes == info.size
    assert upload.seal().prompt_count == 1
    with pytest.raises(DatasetSealed):
        upload.prompt(line("a.jpg", {"id": 1, **BOX}))


def test_prompts_are_part_of_the_content(engine: Engine) -> None:
    def sealed(*lines: dict[str, Any]) -> str | None:
        upload = Upload(engine)
        if lines:
            upload.prompt(*lines)
        return upload.seal().content_sha256

    boxes = line("a.jpg", {"id": 1, **BOX})
    contents = [sealed(), sealed(boxes), sealed({**boxes, "coordinates": "relative"})]
    assert len(set(contents)) == 3
    assert sealed(boxes) == contents[1]


def test_names_are_found_in_either_form_of_unicode(engine: Engine) -> None:
    composed, decomposed = (unicodedata.normalize(form, "Größe 1.jpg") for form in ("NFC", "NFD"))
    upload = Upload(engine, [composed, "a%2Fb c.jpg", "-rf.jpg"])
    names = [decomposed, "a%2Fb c.jpg", "-rf.jpg"]
    upload.prompt(*(line(name, {"id": 1, **BOX}) for name in names))
    assert upload.seal().prompted_image_count == 3
    both = Upload(engine, [composed, decomposed])
    both.prompt(line(composed, {"id": 1, **BOX}), line(decomposed, {"id": 1, **BOX}))
    assert both.seal().prompted_image_count == 2
    twice = Upload(engine, [composed])
    twice.prompt(line(composed, {"id": 1, **BOX}), line(decomposed, {"id": 1, **BOX}))
    with pytest.raises(PromptsInvalid, match=r"line 2: the image .* has an earlier line"):
        twice.seal()


def test_prompts_of_other_images_may_be_left_out(upload: Upload) -> None:
    upload.prompt(line("b.jpg", {"id": 1, **BOX}), line("c.jpg", {"id": 1, **BOX}))
    with pytest.raises(PromptsInvalid, match=r"line 2: 'c\.jpg' is not an image"):
        upload.seal()
    sealed = seal(upload.engine, upload.store, *upload.ids, LIMITS, skip_other_prompts=True)
    assert (sealed.prompt_count, sealed.prompted_image_count) == (1, 1)


def test_long_names_are_refused_or_shortened(upload: Upload) -> None:
    with pytest.raises(PromptsInvalid, match="file_name must be a text of 1 to 4096 characters"):
        upload.prompt(line("x" * 4097, {"id": 1, **BOX}))
    upload.prompt(line("x" * 4096, {"id": 1, **BOX}))
    with pytest.raises(PromptsInvalid) as caught:
        upload.seal()
    assert len(caught.value.message) < 500


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    images = tmp_path / "images"
    images.mkdir()
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (images / name).write_bytes(b"image")
    return images


def of_folder(engine: Engine, folder: Path, content: bytes, limits: InputLimits = LIMITS, **options: Any) -> Dataset:
    path = folder.parent / "prompts.jsonl"
    path.write_bytes(content)
    request = ListingRequest(str(folder), prompts_path=options.pop("path", str(path)), **options)
    listing = list_directory(request, [folder.parent], limits)
    with transaction(engine) as session:
        tenant = Tenant(name=uuid.uuid4().hex)
        session.add(tenant)
        session.flush()
        return create_sealed(session, tenant.id, listing)


def test_a_folder_may_come_with_prompts(engine: Engine, folder: Path) -> None:
    content = text_of(*(line(name, {"id": 1, "category": "cat", **BOX}) for name in ("c.jpg", "a.jpg")))
    dataset = of_folder(engine, folder, content)
    assert (dataset.prompt_count, dataset.prompted_image_count) == (2, 2)
    assert dataset.categories == [{"id": 1, "name": "cat"}]
    assert [row.image_id for row in rows_of(engine, dataset.id)] == [1, 3]
    limited = of_folder(engine, folder, content, limit=2)
    assert (limited.prompt_count, limited.prompted_image_count) == (1, 1)


def test_prompts_of_a_folder_are_checked(engine: Engine, folder: Path) -> None:
    content = text_of(line("c.jpg", {"id": 1, **BOX}))
    with pytest.raises(PromptsInvalid, match="no line names an image"):
        of_folder(engine, folder, content, limit=2)
    with pytest.raises(PromptsInvalid, match=r"line 1: 'd\.jpg' is not an image"):
        of_folder(engine, folder, text_of(line("d.jpg", {"id": 1, **BOX})))
    with pytest.raises(PromptsTooLarge):
        of_folder(engine, folder, content, limits=InputLimits(file_bytes=len(content) - 1))
    with pytest.raises(PromptsNotFound):
        of_folder(engine, folder, content, path=str(folder / "none.jsonl"))


@pytest.mark.parametrize("form", list(WRITERS))
def test_labels_of_each_tool_are_matched_when_the_dataset_is_sealed(
    engine: Engine, tmp_path: Path, form: LabelFormat
) -> None:
    upload = Upload(engine, IMAGES)
    content = packed_labels(form, WRITERS[form](tmp_path))
    received = put_prompts(engine, upload.store, *upload.ids, content, LIMITS, form)
    assert (received.prompt_count, received.prompts_format) == (3, form)
    sealed = upload.seal()
    assert (sealed.prompt_count, sealed.prompted_image_count) == (3, 2)
    names = {one["id"]: one["name"] for one in sealed.categories or ()}
    found = {row.image_id: [names[one["category_id"]] for one in row.objects] for row in upload.rows()}
    assert found == {2: ["jar", "lid"], 3: ["jar"]}  # other.jpg is the first by name


def test_labels_of_another_image_are_an_error_when_the_dataset_is_sealed(upload: Upload) -> None:
    content = io.BytesIO(b"image,x0,y0,x1,y1\nnone.jpg,0,0,2,2\n")
    put_prompts(upload.engine, upload.store, *upload.ids, content, LIMITS, "csv")
    with pytest.raises(LabelsOfNoImage, match=r"labels\.csv, line 2: no image has the name 'none\.jpg'"):
        upload.seal()
    upload.prompt(line("a.jpg", {"id": 1, **BOX}))
    assert upload.seal().prompt_count == 1


def test_masks_are_kept_and_counted(upload: Upload) -> None:
    mask = {"size": [2, 2], "counts": [1, 3]}
    upload.prompt(line("a.jpg", {"id": 1, **BOX, "mask": mask}, {"id": 2, "mask": mask}, {"id": 3, **BOX}))
    sealed = upload.seal()
    assert (sealed.prompt_count, sealed.mask_prompt_count) == (3, 2)
    (row,) = upload.rows()
    masks = [prompt.mask for one in prompts_module.read_stored(row.objects) for prompt in one.prompts]
    assert masks == [PromptMask((2, 2), "13"), PromptMask((2, 2), "13"), None]
