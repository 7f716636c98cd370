from __future__ import annotations

import os
import subprocess
import sys

import pytest

from samfleet.storage.factory import StorageUrlInvalid, open_store


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "does not start with file:// or s3://"),
        ("/plain/path", "does not start with"),
        ("ftp://host/x", "does not start with"),
        ("file://relative/path", "absolute"),
        ("file:relative", "absolute"),
        ("s3:///no-bucket", "has no bucket"),
    ],
)
def test_a_wrong_url_is_explained(url: str, reason: str) -> None:
    with pytest.raises(StorageUrlInvalid, match=reason):
        open_store(url)


def test_servers_that_use_no_bucket_start_without_boto3() -> None:
    program = "import sys, samfleet.storage.factory; sys.exit('boto3' in sys.modules or 'botocore' in sys.modules)"
    path = os.pathsep.join(filter(None, sys.path))
    subprocess.run((sys.executable, "-c", program), env={**os.environ, "PYTHONPATH": path}, check=True)
