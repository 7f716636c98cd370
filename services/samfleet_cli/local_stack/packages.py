"""Location of packages whose binaries the stack runs. They are not imported, because importing has side effects."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from samfleet.errors import SamfleetError


class PackageMissing(SamfleetError):
    """A package of the embedded stack is not installed; run `pip install 'samfleet[local]'`."""

    code = "stack_package_missing"


def package_folder(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise PackageMissing(f"the package {name} is not installed; run `pip install 'samfleet[local]'`")
    return Path(spec.origin).parent
