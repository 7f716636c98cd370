"""Another account of the machine cannot access the running stack."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
from pathlib import Path

import psutil
import psycopg
import pytest

from fixtures.images.scenes import write_scenes
from fixtures.servers.running_stack import Samfleet
from samfleet_cli.local_stack.layout import StateDir
from samfleet_cli.local_stack.state import read_state

STRANGER = 65533  # neither this account nor the one that runs PostgreSQL under root
AS_STRANGER = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account")
READ_ALL = 'for path; do { ls "$path/" || head -c 1 "$path"; } >/dev/null 2>&1 && echo "$path"; done; true'


def got_by_stranger(folder: Path, *paths: str) -> list[str]:
    """List the files that another account can open, by names below `folder`.

    Its process starts in `folder`, so no parent folder protects the files.
    """
    done = subprocess.run(
        ("/bin/sh", "-c", READ_ALL, "sh", *paths),
        cwd=folder,
        user=STRANGER,
        group=STRANGER,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def processes(samfleet: Samfleet) -> list[psutil.Process]:
    state = read_state(StateDir(samfleet.info.state_dir).state_file)
    assert state is not None
    root = psutil.Process(state.supervisor.pid)
    return [root, *root.children(recursive=True)]


@pytest.fixture(scope="module")
def used(samfleet: Samfleet, tmp_path_factory: pytest.TempPathFactory) -> Samfleet:
    """The stack after a job, so its store has uploads and parts."""
    folder = tmp_path_factory.mktemp("job")
    scenes = write_scenes(folder / "images", 1)
    finished = samfleet(
        *("segment", scenes[0].parent, "--variant", "mobile_sam", "--points-per-side", 2),
        *("--out", folder / "out", "--json"),
    )
    assert finished.exit_code == 0, finished.stderr
    return samfleet


def test_no_file_of_the_stack_is_open_to_others(used: Samfleet) -> None:
    root = used.info.state_dir
    others = {root / "postgres", root / "triton_backends"}  # PostgreSQL's files, and copies of files that pip installed
    paths = [root, *(path for path in root.rglob("*") if not others & {path, *path.parents})]
    opened = {str(path) for path in paths if not path.is_symlink() and path.stat().st_mode & 0o077}
    assert any(path.suffix == ".zst" for path in paths)
    assert opened == set()


@AS_STRANGER
def test_another_account_can_read_no_file(used: Samfleet) -> None:
    root = used.info.state_dir
    folders = [path for path in (root, *root.rglob("*")) if path.is_dir() and path.stat().st_uid == os.geteuid()]
    assert {"storage", "logs", "run"} <= {folder.name for folder in folders}
    assert got_by_stranger(Path("/"), "/etc/hostname", str(root)) == ["/etc/hostname"]
    for folder in folders:
        if root / "triton_backends" in (folder, *folder.parents):
            continue
        names = [path.name for path in folder.iterdir()]
        assert got_by_stranger(folder, ".", *(f"./{name}" for name in names)) == []


@AS_STRANGER
def test_another_account_can_read_no_shared_memory_and_no_environment(used: Samfleet) -> None:
    shared = [str(path) for path in Path("/dev/shm").glob("samfleet-*")]
    assert shared
    environments = [f"/proc/{process.pid}/environ" for process in processes(used)]
    assert got_by_stranger(Path("/"), *shared, *environments) == []


def test_no_command_line_shows_a_secret(used: Samfleet) -> None:
    root = used.info.state_dir
    secrets = [path.read_text().strip() for path in (root / "api_key", *root.glob("*password*"))]
    assert len(secrets) >= 3
    shown = " ".join(word for process in processes(used) for word in process.cmdline())
    assert not [secret for secret in secrets if secret in shown]


def triton_socket(samfleet: Samfleet) -> Path:
    (address,) = [address for servers in samfleet.info.pools.values() for address in servers]
    assert address.startswith("unix:")
    return Path(address.removeprefix("unix:"))


def test_triton_listens_on_no_network(used: Samfleet) -> None:
    assert stat.S_ISSOCK(triton_socket(used).stat().st_mode)
    ours = next(process for process in processes(used) if process.name() == "tritonserver")
    listening = {item.laddr.ip for item in ours.net_connections("tcp") if item.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}  # the metrics


@AS_STRANGER
def test_another_account_cannot_connect_to_triton(used: Samfleet, monkeypatch: pytest.MonkeyPatch) -> None:
    path = triton_socket(used)
    monkeypatch.chdir(path.parent)  # so no parent folder decides
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path.name)
    os.seteuid(STRANGER)
    try:
        with socket.socket(socket.AF_UNIX) as client, pytest.raises(PermissionError):
            client.connect(path.name)
    finally:
        os.seteuid(0)


def test_the_database_role_has_no_access_beyond_its_database(used: Samfleet) -> None:
    url = used.info.database_url.replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(url, autocommit=True) as connection:
        role = connection.execute(
            "SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user"
        )
        assert role.fetchone() == (False, False, False)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("COPY (SELECT 1) TO PROGRAM 'true'")
