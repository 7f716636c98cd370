"""Images of tasks, from Label Studio or from hosts that the operator allows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from label_studio_sdk._extensions.label_studio_tools.core.utils.io import get_local_path

from samfleet.errors import InvalidInput, Unavailable

CLOUD_SCHEMES = {"s3", "gs", "azure-blob"}  # which Label Studio resolves


class ImageNotAllowed(InvalidInput):
    """The image is neither in Label Studio nor on a host of SAMFLEET_LABEL_STUDIO_IMAGE_HOSTS."""

    code = "label_studio_image_not_allowed"


class ImageNotFetched(Unavailable):
    """The image could not be fetched from Label Studio; check LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY."""

    code = "label_studio_image_not_fetched"


@dataclass(frozen=True, slots=True)
class ImageSource:
    """Label Studio's address and an API key for it, and other hosts (`name` or `name:port`) that images may be on."""

    url: str
    api_key: str
    hosts: Collection[str] = ()

    def fetch(self, address: Any, task_id: Any, folder: Path) -> Path:
        """Download the image of a task into a folder and return the file.

        The address is relative to Label Studio, in its cloud storage, or an allowed URL. Raises `ImageNotAllowed` and
        `ImageNotFetched`.
        """
        self._check(address)
        try:
            path = get_local_path(
                address,
                cache_dir=str(folder),
                image_dir=str(folder),  # not the folder of a Label Studio that happens to run as this user
                hostname=self.url,
                access_token=self.api_key,
                task_id=task_id,
            )
        except (requests.RequestException, OSError) as error:
            raise ImageNotFetched(f"the image {address} of task {task_id} could not be fetched: {error}") from error
        return Path(path)

    def _check(self, address: Any) -> None:
        if not isinstance(address, str) or not address:
            raise ImageNotAllowed(f"the image of a task is {address!r}; it must be an address")
        parts = urlsplit(address)
        if parts.scheme in CLOUD_SCHEMES or (not parts.scheme and not parts.netloc and _is_of_site(parts.path)):
            return
        if parts.scheme not in {"http", "https"} or parts.netloc not in {urlsplit(self.url).netloc, *self.hosts}:
            raise ImageNotAllowed(
                f"the image {address[:200]} is neither in Label Studio nor on a host of "
                "SAMFLEET_LABEL_STUDIO_IMAGE_HOSTS; add its host there"
            )


def _is_of_site(path: str) -> bool:
    return path.startswith(("/data/", "/upload/", "upload/", "/storage-data/uploaded"))
