from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from samfleet.client.label_folders import pack_labels, require_form
from samfleet.client.schemas import AddedByHash, Dataset, DatasetImage
from samfleet.client.steps import Call, Pages
from samfleet.client.values import EXCHANGE_SECONDS, PIECE_BYTES, unchanged, without_none
from samfleet.datasets.left_out import LeftOut
from samfleet.regular_files import open_regular

_LISTING_SECONDS = 600  # the server limits listing a folder to two minutes by default (`SAMFLEET_LISTING_TIME`)
_DATASET = Dataset.model_validate
_FILLED = ("dataset_listing", "dataset_sealed", "dataset_failed")  # codes once a file of images was accepted


def create_directory_dataset(
    directory: Path,
    *,
    name: str | None = None,
    annotations: Path | None = None,
    detections: Path | None = None,
    prompts: Path | None = None,
    prompts_format: str | None = None,
    limit: int | None = None,
    **fields: Any,
) -> Call[Dataset]:
    """Create a dataset of files that the server can read at these paths. `fields` are further fields of the body."""
    body = {
        "source": "directory",
        "directory": str(directory),
        "name": name,
        "annotations_path": str(annotations) if annotations else None,
        "detections_path": str(detections) if detections else None,
        "prompts_path": str(prompts) if prompts else None,
        "prompts_format": prompts_format,
        "limit": limit,
        **{name: value for name, value in fields.items() if value is not False},
    }
    return _created(body, timeout=_LISTING_SECONDS)


def create_bucket_dataset(url: str, **fields: Any) -> Call[Dataset]:
    """Create a dataset of a bucket, which the server lists. `fields` are further fields of the request's body."""
    return _created({"source": "s3", "url": url, **fields})


def create_manifest_dataset(manifest: str, **fields: Any) -> Call[Dataset]:
    """Create a dataset of a manifest that the server reads. `fields` are further fields of the request's body."""
    return _created({"source": "manifest", "manifest": manifest, **fields})


def create_archive_dataset(archive: str, **fields: Any) -> Call[Dataset]:
    """Create a dataset of an archive that the server reads. `fields` are further fields of the request's body."""
    return _created({"source": "archive", "archive": archive, **fields})


def create_upload_dataset(*, name: str | None = None, left_out: Sequence[LeftOut] = (), **fields: Any) -> Call[Dataset]:
    """Create an open dataset, to which images are uploaded before it is sealed. `fields` are further fields."""
    stated = [asdict(one) for one in left_out] or None
    return _created({"source": "upload", "name": name, "left_out": stated, **fields})


def _created(body: Mapping[str, Any], **request: Any) -> Call[Dataset]:
    return Call("POST", "/v1/datasets", _DATASET, {"json": without_none(body), **request}, repeatable=False)


def upload_images(dataset_id: str, files: Sequence[tuple[str, Path | bytes]]) -> Call[None]:
    """Send (name in the dataset, file or its bytes) pairs in one request. The server adds all of them or none. Files
    that the dataset has already change nothing.
    """
    return Call("POST", f"/v1/datasets/{dataset_id}/images", unchanged, body=partial(_parts, files))


def add_images_by_hash(dataset_id: str, files: Sequence[Mapping[str, Any]]) -> Call[AddedByHash]:
    """Add files that were uploaded before, given by `name`, `size_bytes` and `sha256`. The others are `missing`."""
    path = f"/v1/datasets/{dataset_id}/images/by-hash"
    return Call("POST", path, AddedByHash.model_validate, {"json": {"files": list(files)}})


def _parts(files: Sequence[tuple[str, Path | bytes]], opened: ExitStack) -> dict[str, Any]:
    def content(file: Path | bytes) -> Any:
        return file if isinstance(file, bytes) else opened.enter_context(open_regular(file))

    return {"files": [("files", (name, content(file), "application/octet-stream")) for name, file in files]}


def upload_annotations(dataset_id: str, path: Path) -> Call[None]:
    """Send the COCO annotations of an open dataset."""
    return _file(f"/v1/datasets/{dataset_id}/annotations", path)


def upload_detections(dataset_id: str, path: Path) -> Call[None]:
    """Send the COCO detections of an open dataset."""
    return _file(f"/v1/datasets/{dataset_id}/detections", path)


def upload_prompts(dataset_id: str, path: Path, format: str | None = None) -> Call[None]:  # noqa: A002 - the API's word
    """Send the prompts file of an open dataset, or labels of another tool.

    `format` is yolo, voc, csv, fiftyone, label_studio or coco. Of a folder, the samples.json of FiftyOne is sent,
    or else the files of labels as a zip file.
    """
    require_form(path, format)
    if format == "fiftyone" and path.is_dir():
        path /= "samples.json"
    body = partial(_packed, path) if path.is_dir() else partial(_content, path, "application/octet-stream")
    request = {"timeout": EXCHANGE_SECONDS, "params": without_none({"format": format})}
    return Call("PUT", f"/v1/datasets/{dataset_id}/prompts", unchanged, request, body=body)


def upload_manifest(dataset_id: str, path: Path, **params: Any) -> Call[None]:
    """Fill an open dataset with the images of a manifest. If a repeat finds that the dataset is no longer open, the
    first request had succeeded and only its response was lost.
    """
    return _source(f"/v1/datasets/{dataset_id}/manifest", path, params)


def upload_archive(dataset_id: str, path: Path, **params: Any) -> Call[None]:
    """Fill an open dataset with the images of an archive. A repeat is treated like that of `upload_manifest`."""
    return _source(f"/v1/datasets/{dataset_id}/archive", path, params)


def _source(route: str, path: Path, params: Mapping[str, Any]) -> Call[None]:
    request = {"timeout": EXCHANGE_SECONDS, "params": without_none(params)}
    content = partial(_content, path, "application/octet-stream")
    return Call("PUT", route, unchanged, request, body=content, done=_FILLED)


def _file(route: str, path: Path) -> Call[None]:
    request = {"timeout": EXCHANGE_SECONDS}
    return Call("PUT", route, unchanged, request, body=partial(_content, path, "application/json"))


def _packed(folder: Path, opened: ExitStack) -> dict[str, Any]:
    file = opened.enter_context(TemporaryFile())  # noqa: SIM115 - the caller closes it
    pack_labels(folder, file)
    size = file.tell()
    file.seek(0)
    return _pieces(file, size, "application/zip")


def _content(path: Path, content_type: str, opened: ExitStack) -> dict[str, Any]:
    file = opened.enter_context(open_regular(path))
    return _pieces(file, path.stat().st_size, content_type)


def _pieces(file: IO[bytes], size: int, content_type: str) -> dict[str, Any]:
    headers = {"Content-Type": content_type, "Content-Length": str(size)}

    def pieces() -> Iterator[bytes]:
        while piece := file.read(PIECE_BYTES):
            yield piece

    return {"content": pieces(), "headers": headers}


def seal_dataset(
    dataset_id: str, *, strict_annotations: bool = False, skip_other_prompts: bool = False
) -> Call[Dataset]:
    """Seal a dataset: it never changes again, and jobs may use it."""
    rules = {"strict_annotations": strict_annotations, "skip_other_prompts": skip_other_prompts}
    params = {name: True for name, value in rules.items() if value}
    path = f"/v1/datasets/{dataset_id}/seal"
    return Call("POST", path, _DATASET, {"params": params, "timeout": EXCHANGE_SECONDS})


def dataset_categories(dataset_id: str) -> Call[list[dict[str, Any]]]:
    """Return the categories of the annotations."""
    return Call("GET", f"/v1/datasets/{dataset_id}/categories", lambda answer: list(answer["items"]))


def dataset(dataset_id: str) -> Call[Dataset]:
    """Return a dataset."""
    return Call("GET", f"/v1/datasets/{dataset_id}", _DATASET)


def datasets(**filters: Any) -> Pages[Dataset]:
    """Yield datasets, newest first. `filters` are parameters of the list, such as `q` and `label`."""
    return Pages("/v1/datasets", _DATASET, without_none(filters))


def dataset_sources() -> Call[dict[str, Any]]:
    """Return the sources of datasets that the server allows, and its limits of uploads."""
    return Call("GET", "/v1/dataset-sources", unchanged)


def edit_dataset(dataset_id: str, changes: Mapping[str, Any]) -> Call[Dataset]:
    """Change fields of a dataset; None removes one (RFC 7396)."""
    return Call("PATCH", f"/v1/datasets/{dataset_id}", _DATASET, {"json": changes})


def delete_dataset(dataset_id: str) -> Call[None]:
    """Delete a dataset that no job uses. Files of the user that the server has only read stay."""
    return Call("DELETE", f"/v1/datasets/{dataset_id}", unchanged, response="empty")


def refresh_dataset(dataset_id: str) -> Call[Dataset]:
    """Make the next version of a dataset, which the server lists. Not repeated: a second request would be refused."""
    path = f"/v1/datasets/{dataset_id}/versions"
    return Call("POST", path, _DATASET, {"json": {"refresh": True}}, repeatable=False)


def extend_dataset(dataset_id: str) -> Call[Dataset]:
    """Open the next version of a dataset for uploads; sealing it adds the images of the dataset. Not repeated."""
    path = f"/v1/datasets/{dataset_id}/versions"
    return Call("POST", path, _DATASET, {"json": {"add": "uploads"}}, repeatable=False)


def dataset_versions(dataset_id: str) -> Pages[Dataset]:
    """Yield the versions of a dataset, newest first."""
    return Pages(f"/v1/datasets/{dataset_id}/versions", _DATASET)


def dataset_images(dataset_id: str) -> Pages[DatasetImage]:
    """Yield all images in the dataset's order, fetched page by page."""
    return Pages(f"/v1/datasets/{dataset_id}/images", DatasetImage.model_validate)
