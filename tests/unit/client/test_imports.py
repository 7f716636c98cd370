from __future__ import annotations

import subprocess
import sys

import pytest

import samfleet.client

HEAVY = ("boto3", "celery", "pandas", "psutil", "psycopg", "redis", "scipy", "sqlalchemy", "supervision", "torch")
PROGRAM = "import sys; from samfleet.client import {names}; print(*(set({heavy!r}) & set(sys.modules)))"


def test_the_client_loads_no_server_and_no_model_code() -> None:
    program = PROGRAM.format(names=", ".join(samfleet.client.__all__), heavy=HEAVY)
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.split() == []


def test_every_public_name_exists_and_others_are_refused() -> None:
    for name in samfleet.client.__all__:
        assert getattr(samfleet.client, name).__name__ == name
    assert set(samfleet.client.__all__) <= set(dir(samfleet.client))
    with pytest.raises(AttributeError, match="Klient"):
        samfleet.client.__getattr__("Klient")
