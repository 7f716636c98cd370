"""Where the embedded stack keeps its files: everything below one state directory."""

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

OTHERS = 0o077  # all that a mode gives to accounts other than the owner
SOCKET_PATH_BYTES = 107  # unix(7): 108 with the zero at the end


class StateDirUnwritable(SamfleetError):
    """The state directory cannot be written; name another one with SAMFLEET_STATE_DIR."""

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
        """The supervisor of a stack that a command has started for itself."""
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
        """What torch and CUDA compiled, so that the next start finds it."""
        return self.root / "compiled"

    @property
    def site_key(self) -> Path:
        return self.root / "site" / "key.pem"

    def create(self) -> None:
        """Make the directories, closed to other accounts. What a former release left open is closed."""
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
                f"the state directory {self.root} cannot be written ({error.strerror}); name another one with "
                "SAMFLEET_STATE_DIR"
            ) from error

    def socket_folder(self, name_bytes: int) -> Path:
        """A folder that this account alone enters, for sockets whose names have at most this many bytes.

        It is `run` in the state directory. Where that makes an address longer than the kernel takes, or one that is no
        URI, it is a folder for temporary files, whose name another account could have taken: then it is refused.
        """
        folder = self.root / "run"
        fits = len(bytes(folder)) + name_bytes <= SOCKET_PATH_BYTES
        return make_closed(folder if fits and is_plain(folder) else temporary_path(self.root))

    def triton_folder(self) -> Path:
        """Where files for Triton are written: here, or where this path is one that it cannot use, in a folder for
        temporary files that this account alone enters.
        """
        return self.root if is_plain(self.root) else make_closed(temporary_path(self.root))

    def remove_temporary(self) -> None:
        """Remove what the stack has beside the state directory; call it when nothing runs."""
        for folder in temporary_paths(self.root):
            if folder.exists():
                shutil.rmtree(make_closed(folder))

    def _close(self) -> None:
        """Take access from other accounts, below first: an interrupted run begins again at the next start. The database
        is PostgreSQL's own, which keeps it closed.
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
        """The secret in this file, made at the first call; only its owner reads the file."""
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
