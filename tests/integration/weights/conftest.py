from __future__ import annotations

import pytest

from fixtures.models.weight_archives import WEIGHTS, record_with
from fixtures.servers.file_server import FileServer, Served
from samfleet.variants.record import HttpsSource, VariantRecord


@pytest.fixture
def record(file_server: FileServer) -> VariantRecord:
    file_server.files["/tiny.pt"] = Served(WEIGHTS)
    return record_with(HttpsSource(f"{file_server.url}/tiny.pt"))


@pytest.fixture
def served(file_server: FileServer, record: VariantRecord) -> Served:
    return file_server.files["/tiny.pt"]
