"""Preparation of a dataset: a folder with `images/`, `annotations.json` in COCO's form, and `recipe.json`.

Each file gets its name when it is complete, and `recipe.json` is written last: it states that all others are there. A
killed preparation continues where it stopped, and one that is repeated does nothing.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from samfleet.datasets.recipes.coco_files import open_images_by_url, open_zip_of_sets
from samfleet.datasets.recipes.errors import DatasetFolderTaken, explained
from samfleet.datasets.recipes.files import Transfers, make_folder, write_file, write_json
from samfleet.datasets.recipes.layouts import Entry, Materials, OpenSource, Source
from samfleet.datasets.recipes.record import Layout, Recipe
from samfleet.datasets.recipes.sample import sampled
from samfleet.datasets.recipes.tar_shards import open_tar_shards
from samfleet.datasets.recipes.videos import open_videos
from samfleet.licences import require_terms
from samfleet.variants.weights.client import open_client
from samfleet.variants.weights.disk import FreeBytes, disk_errors, free_bytes
from samfleet.variants.weights.lock import file_lock
from samfleet.variants.weights.progress import NoProgress, Progress
from samfleet.variants.weights.verify import file_sha256

OPEN: Mapping[Layout, OpenSource] = MappingProxyType(
    {
        "images_by_url": open_images_by_url,
        "zip_of_sets": open_zip_of_sets,
        "videos": open_videos,
        "tar_shards": open_tar_shards,
    }
)
IMAGES, ANNOTATIONS, HASHES, RECIPE, BEGUN = "images", "annotations.json", "sha256.txt", "recipe.json", ".begun.json"


@dataclass(frozen=True, slots=True)
class Preparation:
    """A requested dataset.

    `limit` takes that many images by `seed`; None takes all. Archives are kept in `downloads`. `given` is a folder of
    files that a person downloaded. `accepted` are names of licences and terms.
    """

    recipe: Recipe
    out: Path
    downloads: Path
    limit: int | None = None
    seed: int = 0
    given: Path | None = None
    accepted: Collection[str] = ()

    def parameters(self) -> dict[str, Any]:
        """Return what decides the content of the folder, as in `recipe.json`."""
        recipe = self.recipe
        return {"name": recipe.name, "version": recipe.version, "limit": self.limit, "seed": self.seed}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A complete folder; `fetched` counts the images that this call added."""

    folder: Path
    images: int
    annotations: int
    fetched: int


def prepare(wanted: Preparation, *, progress: Progress | None = None, free: FreeBytes = free_bytes) -> Prepared:
    """Prepare the folder, or complete it. Nothing is fetched before the terms are accepted.

    A second call for the same folder waits for the first.
    """
    require_terms(f"the files of {wanted.recipe.title}", wanted.recipe.terms, wanted.accepted)
    with explained(str(wanted.out)):
        make_folder(wanted.out)
        with file_lock(wanted.out / RECIPE):
            known = _known(wanted)
            if known is not None:
                return known
            write_json(wanted.out / BEGUN, wanted.parameters())
            with open_client() as client:
                transfers = Transfers(client, progress or NoProgress(), free)
                materials = Materials(wanted.recipe, wanted.given, wanted.downloads, transfers)
                with OPEN[wanted.recipe.layout](materials) as source:
                    return _fill(wanted, source, transfers.progress)


def _known(wanted: Preparation) -> Prepared | None:
    """Return the folder if it is complete, None if there is work to do. Raises `DatasetFolderTaken`."""
    for name in (RECIPE, BEGUN):
        path = wanted.out / name
        if path.exists():
            found = _read(path)
            asked = wanted.parameters()
            if {key: found.get(key) for key in asked} != asked:
                raise DatasetFolderTaken(
                    f"{wanted.out} has {found.get('name')} with limit {found.get('limit')} and seed "
                    f"{found.get('seed')}; name another folder with --out, or remove this one"
                )
            complete = name == RECIPE and _is_complete(wanted.out, found)
            return Prepared(wanted.out, found["images"], found["annotations"], 0) if complete else None
    if any(not path.name.startswith(".") for path in wanted.out.iterdir()):
        raise DatasetFolderTaken(f"{wanted.out} is not empty and no prepared dataset; name another folder with --out")
    return None


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except ValueError as error:
        raise DatasetFolderTaken(f"{path} is damaged ({error}); remove the folder and repeat the command") from error
    return found if isinstance(found, dict) else {}


def _is_complete(folder: Path, recipe: Mapping[str, Any]) -> bool:
    """Return True if all files are there and the annotations are unchanged. Images are not hashed again."""
    annotations, hashes = folder / ANNOTATIONS, folder / HASHES
    if not (annotations.is_file() and hashes.is_file() and file_sha256(annotations) == recipe["annotations_sha256"]):
        return False
    return all((folder / line.split("  ", 1)[1]).is_file() for line in hashes.read_text().splitlines())


def _fill(wanted: Preparation, source: Source, progress: Progress) -> Prepared:
    chosen = sampled(source.image_ids(), wanted.limit, wanted.seed)
    images = list(source.images(chosen))
    fetched = _fetch_missing(source, images, wanted.out / IMAGES, progress)
    counted = _Counted()
    annotations_sha256 = write_file(wanted.out / ANNOTATIONS, _document(wanted, source, images, chosen, counted))
    hashes = sorted(f"{file_sha256(wanted.out / name)}  {name}" for name in (_place(image) for image in images))
    hashes_sha256 = write_file(wanted.out / HASHES, (f"{line}\n".encode() for line in hashes))
    recipe = wanted.recipe
    write_json(
        wanted.out / RECIPE,
        {
            **wanted.parameters(),
            "title": recipe.title,
            "licence": recipe.licence,
            "page": recipe.page,
            "images": len(images),
            "annotations": counted.annotations,
            "annotations_sha256": annotations_sha256,
            "images_sha256": hashes_sha256,
            "sources": [asdict(file) for file in source.files()],
        },
    )
    with disk_errors(wanted.out / BEGUN):
        (wanted.out / BEGUN).unlink()
    return Prepared(wanted.out, len(images), counted.annotations, fetched)


def _place(image: Entry) -> str:
    return f"{IMAGES}/{image['file_name']}"


def _fetch_missing(source: Source, images: Sequence[Entry], folder: Path, progress: Progress) -> int:
    """Fetch the images that are not there, and return their number. The first error ends the others."""
    make_folder(folder)
    missing = [image for image in images if not (folder / image["file_name"]).is_file()]
    if not missing:
        return 0
    progress.begin(f"{len(missing)} images", None, 0)
    with ThreadPoolExecutor(source.parallel, thread_name_prefix="prepare") as pool:
        targets = {pool.submit(source.fetch, image, folder / image["file_name"]): image for image in missing}
        try:
            for future in as_completed(targets):
                future.result()
                progress.advance((folder / targets[future]["file_name"]).stat().st_size)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return len(missing)


@dataclass(slots=True)
class _Counted:
    annotations: int = 0


def _document(
    wanted: Preparation, source: Source, images: Sequence[Entry], chosen: Collection[int], counted: _Counted
) -> Iterator[bytes]:
    """Yield the annotations file entry by entry: a file of LVIS's size does not fit the memory of a small machine."""
    recipe = wanted.recipe
    info = {"description": recipe.title, "version": recipe.version, "url": recipe.page, "licence": recipe.licence}
    yield b'{"info":' + _json(info) + b',\n"images":[\n' + b",\n".join(map(_json, images))
    yield b'],\n"categories":' + _json(source.categories()) + b',\n"annotations":['
    for annotation in source.annotations(chosen):
        yield (b",\n" if counted.annotations else b"\n") + _json(annotation)
        counted.annotations += 1
    yield b"]}\n"


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
