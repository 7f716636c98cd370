"""Errors of uploads to an open dataset."""

from __future__ import annotations

from samfleet.errors import Conflict, TooLarge


class DatasetSealed(Conflict):
    """The dataset is sealed and never changes again; create another one."""

    code = "dataset_sealed"


class FileNameTaken(Conflict):
    """The dataset already has an image with this name."""

    code = "file_name_taken"


class DatasetChanged(Conflict):
    """The dataset was changed by another request at the same moment; send this one again."""

    code = "dataset_changed"
    retryable = True


class ImageTooLarge(TooLarge):
    """The image file is larger than this server accepts."""

    code = "image_too_large_bytes"
