"""Files of the embedded stack, all below one state directory."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from samfleet.errors import SamfleetError
from samfleet_cli.local_stack.plain_paths import is_plain, make_closed, require_usable, temporary_path, temporary_paths

OTHERS = 0o077  # mode bits of accounts other than the owner
SOCKET_PATH_BYTES = 107  # unix(7): 108 including the terminating zero


class StateDirUnwritable(SamfleetError):
    """The state directory is not writable; choose another one with SAMFLEET_STATE_DIR."""

    code = "stack_state_dir_unwritable"


@dataclass(frozen=True, slots=True)
class StateDir:
    root: Path

    @property
    def state_file(self) -> Path:
        return self.root / "stack.json"

    @property
    def lock_file(self) -> Path:
        return self.root / "lock"

    @property
    def users_file(self) -> Path:
        return self.root / "users"

    @property
    def starting_file(self) -> Path:
        return self.root / "starting"

    @property
    def temporary_file(self) -> Path:
        """File with the supervisor's identity, for a stack that a command started temporarily."""
        return self.root / "temporary"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def api_key_file(self) -> Path:
        return self.root / "api_key"

    @property
    def postgres_data(self) -> Path:
        return self.root / "postgres"

    @property
    def redis_data(self) -> Path:
        return self.root / "redis"

    @property
    def beat_schedule(self) -> Path:
        return self.root / "beat" / "schedule"

    @property
    def storage(self) -> Path:
        return self.root / "storage"

    @property
    def weights(self) -> Path:
        return self.root / "weights"

    @property
    def gates(self) -> Path:
        return self.root / "gates"

    @property
    def compiled(self) -> Path:
        """Cache of code compiled by torch and CUDA, for later starts."""
        return self.root / "compiled"

    @property
    def container_file(self) -> Path:
        """File that names the container of Triton, to remove it after a crash."""
        return self.root / "triton_container.json"

    @property
    def triton_secret_file(self) -> Path:
        """File with the secret of a Triton in a container."""
        return self.root / "triton_secret"

    @property
    def site_key(self) -> Path:
        return self.root / "site" / "key.pem"

    def create(self) -> None:
        """Create the directories without access for other accounts, and remove access that an earlier release left."""
        require_usable(self.root)
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            if self.root.stat().st_mode & OTHERS:
                self._close()
            for directory in (self.redis_data, self.beat_schedule.parent, self.logs, self.storage, self.weights):
                directory.mkdir(exist_ok=True, mode=0o700)
            with tempfile.TemporaryFile(dir=self.root):
                pass
        except OSError as error:
            raise StateDirUnwritable(
                f"the state directory {self.root} is not writable ({error.strerror}); choose another one with "
                "SAMFLEET_STATE_DIR"
            ) from error

    def socket_folder(self, name_bytes: int) -> Path:
        """Return a folder that only this account may enter, for sockets with names of at most this many bytes.

        Normally it is `run` in the state directory. If the address would be too long for the kernel or not a valid URI,
        it is a folder for temporary files. Raises an error if another account has taken that folder's name.
        """
        folder = self.root / "run"
        fits = len(bytes(folder)) + name_bytes <= SOCKET_PATH_BYTES
        return make_closed(folder if fits and is_plain(folder) else temporary_path(self.root))

    def triton_folder(self) -> Path:
        """Return the folder for Triton's files: the state directory or, if Triton cannot use its path, a folder for
        temporary files that only this account may enter.
        """
        return self.root if is_plain(self.root) else make_closed(temporary_path(self.root))

    def remove_temporary(self) -> None:
        """Remove the stack's files outside the state directory. Call it only when nothing runs."""
        for folder in temporary_paths(self.root):
            if folder.exists():
                shutil.rmtree(make_closed(folder))

    def _close(self) -> None:
        """Remove access for other accounts, deepest entries first, so that an interrupted run is repeated at the next
        start. PostgreSQL keeps its own directory closed.
        """
        for path, folders, files in os.walk(self.root, topdown=True):
            if path == str(self.root):
                folders[:] = [name for name in folders if self.root / name != self.postgres_data]
            for name in (*folders, *files):
                entry = Path(path, name)
                mode = entry.lstat().st_mode
                if mode & OTHERS and not stat.S_ISLNK(mode):
                    entry.chmod(stat.S_IMODE(mode) & ~OTHERS)
        self.root.chmod(stat.S_IMODE(self.root.stat().st_mode) & ~OTHERS)

    @staticmethod
    def secret(path: Path) -> str:
        """Return the secret in this file, creating it at the first call. Only the owner can read the file."""
        if not path.exists():
            StateDir.write_secret(path, secrets.token_urlsafe(32))
        return path.read_text(encoding="utf-8").strip()

    @staticmethod
    def write_secret(path: Path, secret: str) -> None:
        partial = path.with_name(f"{path.name}.partial")
        partial.unlink(missing_ok=True)
        partial.touch(mode=0o600)
        partial.write_text(secret, encoding="utf-8")
        partial.replace(path)
