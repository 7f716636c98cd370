"""Create the bucket of SAMFLEET_STORAGE_URL if it is missing."""

from __future__ import annotations

from urllib.parse import urlsplit

import boto3
from botocore.exceptions import ClientError

from samfleet.config import Settings


def main() -> None:
    settings = Settings()
    address = urlsplit(settings.storage_url)
    if address.scheme != "s3":
        return
    client = boto3.client("s3", endpoint_url=settings.s3_endpoint_url)
    try:
        client.head_bucket(Bucket=address.netloc)
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"404", "NoSuchBucket"}:
            raise
        client.create_bucket(Bucket=address.netloc)


if __name__ == "__main__":
    main()
