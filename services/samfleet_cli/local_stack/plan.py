"""Plan of a stack: its parts for given settings. A part is external if its setting is set, otherwise embedded."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from samfleet.config import Settings
from samfleet_cli.local_stack import postgres, redis_server, triton, triton_container
from samfleet_cli.local_stack.container_engine import Engine
from samfleet_cli.local_stack.layout import StateDir
from samfleet_cli.local_stack.part import ExternalPart, PartSpec
from samfleet_cli.local_stack.ports import LOOPBACK, choose_ports
from samfleet_cli.local_stack.preconditions import require_startable
from samfleet_cli.local_stack.readiness import FileWritten, HttpReady, WorkerReady
from samfleet_cli.local_stack.settings import PORT_NAMES, StackSettings
from samfleet_cli.local_stack.state import StackInfo

EMBEDDED_POOL = "local"
CONTROL_QUEUE = "samfleet.control"
CONTROL_CONCURRENCY = 4  # a long plan or export and the sweep, while two tasks wait for receivers of webhooks


@dataclass(frozen=True, slots=True)
class StackPlan:
    info: StackInfo
    ports: Mapping[str, int]
    parts: tuple[PartSpec, ...]
    external: tuple[ExternalPart, ...] = field(default=())


def make_plan(settings: Settings, stack: StackSettings, former_ports: Mapping[str, int]) -> StackPlan:
    """Make the plan for an existing state directory. Missing secrets and configuration files are written there.

    Raises an error if the stack cannot start (`local_stack.preconditions`).
    """
    state_dir = StateDir(stack.state_dir.resolve())
    require_startable(state_dir, settings, stack)
    given = settings.model_fields_set
    fixed = stack.fixed_ports()
    engine = None if "pools" in given else triton_container.chosen_engine(stack)
    names = [*PORT_NAMES, *(f"{name}_metrics" for name in _worker_names(settings).values())]
    names = [name for name in names if engine or name != "triton_grpc"]
    ports = choose_ports([name for name in dict.fromkeys(names) if name not in fixed], former_ports) | fixed
    weights_dir = settings.weights_dir if "weights_dir" in given else state_dir.weights
    database = _external("postgres", settings.database_url) if "database_url" in given else _postgres(state_dir, ports)
    broker = _external("redis", settings.broker_url) if "broker_url" in given else _redis(state_dir, ports)
    pools, inference = _inference(engine, state_dir, settings, stack, weights_dir, ports)
    storage = (
        _external("storage", settings.storage_url) if "storage_url" in given else _Choice(state_dir.storage.as_uri())
    )
    info = StackInfo(
        state_dir=state_dir.root,
        api_url=f"http://{LOOPBACK}:{ports['api']}",
        api_key=settings.bootstrap_api_key or state_dir.secret(state_dir.api_key_file),
        database_url=database.url,
        broker_url=broker.url,
        storage_url=storage.url,
        pools=pools,
    )
    choices = (database, broker, inference, storage)
    parts = [part for choice in choices for part in choice.parts]
    parts += _processes_of_ours(info, settings, weights_dir, ports, inference.secret)
    return StackPlan(info, ports, tuple(parts), tuple(part for choice in choices for part in choice.external))


@dataclass(frozen=True, slots=True)
class _Choice:
    """A service, embedded or external, the address for its setting, and the secret of its clients."""

    url: str = ""
    parts: tuple[PartSpec, ...] = ()
    external: tuple[ExternalPart, ...] = ()
    secret: str | None = None


def _external(name: str, url: str) -> _Choice:
    return _Choice(url, external=(ExternalPart(name, _without_secret(url)),))


def _inference(
    engine: Engine | None,
    state_dir: StateDir,
    settings: Settings,
    stack: StackSettings,
    weights_dir: Path,
    ports: Mapping[str, int],
) -> tuple[Mapping[str, tuple[str, ...]], _Choice]:
    """Return the pools and their Triton: that of the settings, one in a container with an engine, or the embedded."""
    if "pools" in settings.model_fields_set:
        servers = ", ".join(server for servers in settings.pools.values() for server in servers)
        return settings.pools, _external("triton", servers)
    if engine is None:
        part = triton.part(state_dir, stack, weights_dir, ports, settings.max_batch_size)
        return {EMBEDDED_POOL: (triton.address(state_dir),)}, _Choice(parts=(part,))
    part = triton_container.part(engine, state_dir, settings, stack, weights_dir, ports)
    secret = state_dir.secret(state_dir.triton_secret_file)
    return {EMBEDDED_POOL: (triton_container.address(ports),)}, _Choice(secret=secret, parts=(part,))


def _postgres(state_dir: StateDir, ports: Mapping[str, int]) -> _Choice:
    password_file = state_dir.root / "postgres_password"
    password = state_dir.secret(password_file)
    parts = postgres.parts(state_dir.postgres_data, password_file, password, ports["postgres"])
    return _Choice(postgres.database_url(password, ports["postgres"]), parts)


def _redis(state_dir: StateDir, ports: Mapping[str, int]) -> _Choice:
    password = state_dir.secret(state_dir.root / "redis_password")
    part = redis_server.part(state_dir.redis_data, password, ports["redis"])
    return _Choice(redis_server.broker_url(password, ports["redis"]), (part,))


def shared_environment(info: StackInfo, settings: Settings, weights_dir: Path) -> dict[str, str]:
    """Return settings for the children. By default, datasets may be in any folder: the API and the files belong to the
    same user, and nobody else has the key. Jobs are checked against local weights, unless Triton is external.
    """
    roots = settings.dataset_roots if "dataset_roots" in settings.model_fields_set else (Path("/"),)
    elsewhere = "pools" in settings.model_fields_set and "weights_dir" not in settings.model_fields_set
    weights = {} if elsewhere else {"SAMFLEET_WEIGHTS_DIR": str(weights_dir.resolve())}
    return {
        **weights,
        "SAMFLEET_DATABASE_URL": info.database_url,
        "SAMFLEET_BROKER_URL": info.broker_url,
        "SAMFLEET_STORAGE_URL": info.storage_url,
        "SAMFLEET_POOLS": json.dumps({name: list(servers) for name, servers in info.pools.items()}),
        "SAMFLEET_DATASET_ROOTS": os.pathsep.join(map(str, roots)),
        "SAMFLEET_BOOTSTRAP_API_KEY": info.api_key,
    }


def _worker_names(settings: Settings) -> dict[str, str]:
    """Return the names of worker parts by pool: `worker` for a single pool, otherwise `worker-POOL`."""
    pools = settings.pools if "pools" in settings.model_fields_set else {EMBEDDED_POOL: ()}
    return {pool: "worker" if len(pools) == 1 else f"worker-{pool}" for pool in pools}


def _processes_of_ours(
    info: StackInfo, settings: Settings, weights_dir: Path, ports: Mapping[str, int], triton_secret: str | None
) -> list[PartSpec]:
    api_port = ports["api"]
    env = shared_environment(info, settings, weights_dir)
    python = (sys.executable, "-m")
    secret = {"SAMFLEET_TRITON_SECRET": triton_secret} if triton_secret else {}
    needs = ("postgres", "redis", "migrate")
    schedule = StateDir(info.state_dir).beat_schedule
    return [
        PartSpec("migrate", (*python, "samfleet.db.migrate"), env, depends_on=("postgres",), one_shot=True),
        PartSpec(
            name="api",
            argv=(*python, "samfleet_api", "--host", LOOPBACK, "--port", str(api_port)),
            env={**env, "SAMFLEET_SITE_KEY_FILE": str(_site_key_file(info, settings))},
            readiness=HttpReady(LOOPBACK, api_port, "/readyz"),
            depends_on=needs,
            address=info.api_url,
        ),
        _control(info, {**env, **_metrics_on(ports["control_metrics"])}, needs),
        *(
            _worker(name, pool, info, settings, {**env, **secret, **_metrics_on(ports[f"{name}_metrics"])})
            for pool, name in _worker_names(settings).items()
        ),
        PartSpec(
            name="beat",
            argv=(*python, "celery", "-A", "samfleet_worker.app", "beat", "--schedule", str(schedule), "--pidfile="),
            env=env,
            readiness=FileWritten(schedule, newer_than=time.time(), within_seconds=_beat_seconds(settings)),
            depends_on=needs,
        ),
    ]  # fmt: skip


def _metrics_on(port: int) -> dict[str, str]:
    return {"SAMFLEET_METRICS_PORT": str(port)}


def _beat_seconds(settings: Settings) -> float:
    """Return the maximum age of the beat's schedule, which every sweep updates. Six missed sweeps count as hanging."""
    return max(60.0, 6 * settings.sweep_interval.total_seconds())


def _site_key_file(info: StackInfo, settings: Settings) -> Path:
    given = "site_key_file" in settings.model_fields_set
    return settings.site_key_file.resolve() if given else StateDir(info.state_dir).site_key


def _control(info: StackInfo, env: Mapping[str, str], depends_on: tuple[str, ...]) -> PartSpec:
    """Process for planning, sweeping and finishing. It is separate because all worker threads may be busy with shards
    for many minutes, and a dead worker's shards must not wait for them.
    """
    node = "control@samfleet"
    return PartSpec(
        name="control",
        argv=(sys.executable, "-m", "celery", "-A", "samfleet_worker.app", "worker", "--pool", "threads",
              "--concurrency", str(CONTROL_CONCURRENCY), "--hostname", node, "-Q", CONTROL_QUEUE),
        env={**env, "SAMFLEET_POOL": next(iter(info.pools))},
        readiness=WorkerReady(info.broker_url, node),
        depends_on=depends_on,
    )  # fmt: skip


def _worker(name: str, pool: str, info: StackInfo, settings: Settings, env: Mapping[str, str]) -> PartSpec:
    """Worker of one pool."""
    node = f"{name}@samfleet"
    return PartSpec(
        name=name,
        argv=(sys.executable, "-m", "celery", "-A", "samfleet_worker.app", "worker", "--pool", "threads",
              "--concurrency", str(settings.worker_concurrency), "--hostname", node,
              "-Q", f"samfleet.pool.{pool}"),
        env={**env, "SAMFLEET_POOL": pool},
        readiness=WorkerReady(info.broker_url, node),
        depends_on=("postgres", "redis", "migrate", "triton"),
    )  # fmt: skip


def _without_secret(address: str) -> str:
    parts = urlsplit(address)
    if not parts.netloc:
        return address
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
