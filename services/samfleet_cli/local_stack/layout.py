"""Where the embedded stack keeps its files: everything below one state directory."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path


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
    def site_key(self) -> Path:
        return self.root / "site" / "key.pem"

    def create(self) -> None:
        """Make the directories. The root may be entered by others, because PostgreSQL refuses to run as root and then
        runs as another account; what is secret inside has its own mode.
        """
        self.root.mkdir(parents=True, exist_ok=True, mode=0o755)
        for directory in (self.redis_data, self.beat_schedule.parent, self.logs):
            directory.mkdir(exist_ok=True, mode=0o700)
        for directory in (self.storage, self.weights):
            directory.mkdir(exist_ok=True)

    @staticmethod
    def secret(path: Path) -> str:
        """The secret in this file, made at the first call; only its owner reads the file."""
        if not path.exists():
            partial = path.with_name(f"{path.name}.partial")
            partial.unlink(missing_ok=True)
            partial.touch(mode=0o600)
            partial.write_text(secrets.token_urlsafe(32), encoding="utf-8")
            partial.replace(path)
        return path.read_text(encoding="utf-8").strip()
