from __future__ import annotations

import os

for _name in [name for name in os.environ if name.startswith("SAMFLEET_")]:
    if _name not in {"SAMFLEET_SHARED", "SAMFLEET_WEIGHTS_DIR"}:
        del os.environ[_name]

pytest_plugins = ["fixtures.database", "fixtures.file_server", "fixtures.redis", "fixtures.stack", "fixtures.api"]
