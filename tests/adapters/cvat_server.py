"""The routes of a CVAT server that `cvat_sdk` uses to annotate a task, with images of a folder. Keeps what it gets."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from PIL import Image

TASK = 42
LABEL = 7
DAY = "2026-11-01T00:00:00Z"
JOBS = {"count": 1, "completed": 0, "validation": 0}


class CvatServer(ThreadingHTTPServer):
    """Has one task with the images of a folder, in the order of their names, and the label `object`."""

    daemon_threads = True

    def __init__(self, images: Path, label_type: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.images = sorted(images.iterdir())
        self.label_type = label_type
        self.shapes: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def reply(self, path: str) -> Any:
        if path == "/api/server/about":
            return {"name": "CVAT", "description": "", "version": "2.80.0", "logo_url": "", "subtitle": ""}
        if path == f"/api/tasks/{TASK}":
            return self._task()
        if path == "/api/labels":
            return {"count": 1, "next": None, "previous": None, "results": [self._label()]}
        if path == f"/api/tasks/{TASK}/data/meta":
            return self._meta()
        return None

    def chunk(self) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for number, path in enumerate(self.images):
                archive.write(path, f"{number:06}{path.suffix}")
        return buffer.getvalue()

    def _task(self) -> dict[str, Any]:
        count = len(self.images)
        common = {"id": TASK, "name": "photographs", "size": count, "mode": "annotation", "dimension": "2d"}
        data = {"data_chunk_size": count, "data_original_chunk_type": "imageset", "media_type": "image"}
        return {
            **common,
            **data,
            "created_date": DAY,
            "updated_date": DAY,
            "jobs": JOBS,
            "labels": {},
            "organization": None,
        }

    def _label(self) -> dict[str, Any]:
        return {"id": LABEL, "name": "object", "type": self.label_type, "attributes": [], "sublabels": []}

    def _meta(self) -> dict[str, Any]:
        frames = []
        for path in self.images:
            with Image.open(path) as image:
                frames.append({"name": path.name, "width": image.width, "height": image.height, "related_files": 0})
        size = len(frames)
        return {"chunks_updated_date": DAY, "frames": frames, "deleted_frames": [], "size": size, "chunk_size": size}


class _Handler(BaseHTTPRequestHandler):
    server: CvatServer

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        path = parts.path.rstrip("/")
        if path == f"/api/tasks/{TASK}/data":
            self._send_data(parse_qs(parts.query))
            return
        found = self.server.reply(path)
        self._send(404 if found is None else 200, json.dumps(found).encode(), "application/json")

    def _send_data(self, query: dict[str, list[str]]) -> None:
        if query["type"] == ["chunk"]:
            self._send(200, self.server.chunk(), "application/zip")
        else:
            self._send(200, self.server.images[int(query["number"][0])].read_bytes(), "image/png")

    def do_PATCH(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.shapes += body["shapes"]
        self._send(200, json.dumps({"version": 1, "tags": [], "shapes": [], "tracks": []}).encode(), "application/json")

    def log_message(self, *_arguments: object) -> None: ...

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def cvat_server(images: Path, label_type: str) -> Iterator[CvatServer]:
    with CvatServer(images, label_type) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
