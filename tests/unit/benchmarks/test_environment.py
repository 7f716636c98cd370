from __future__ import annotations

from benchmarks.environment import ALLOCATORS, child_environment, read_environment

PARENT = {"PATH": "/bin", "MALLOC_ARENA_MAX": "1", "GLIBC_TUNABLES": "glibc.malloc.check=1", "LD_PRELOAD": "x.so"}


def test_a_child_process_gets_the_settings_of_its_allocator_only() -> None:
    assert child_environment("default", PARENT) == {"PATH": "/bin"}
    assert child_environment("tuned", PARENT) == {"PATH": "/bin", **ALLOCATORS["tuned"]}


def test_the_environment_names_versions_and_commit() -> None:
    environment = read_environment({"device_name": "A CPU"})
    assert "torch" in environment.versions
    assert environment.commit
