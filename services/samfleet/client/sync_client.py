"""The client for programs and notebooks."""

from __future__ import annotations

from pathlib import Path

from samfleet.client.address import find_api
from samfleet.client.client import SamfleetClient


class Client(SamfleetClient):
    """Client of one API. Use it in a `with` statement, or call `close`.

    Without arguments it takes `SAMFLEET_API_URL` and `SAMFLEET_API_KEY`, or else the stack that `samfleet up` runs in
    `state_dir` (by default `SAMFLEET_STATE_DIR`, or `.samfleet` in the working directory). Nothing is sent until the
    first call. Calls raise `ApiError` with the server's stable code in `problem_code`, and `ApiUnreachable` if the
    server does not respond after the retries.
    """

    def __init__(
        self, api_url: str | None = None, api_key: str | None = None, *, state_dir: Path | str | None = None
    ) -> None:
        super().__init__(*find_api(api_url, api_key, Path(state_dir) if state_dir is not None else None))
