"""Look-up of hardware by id, first characters of the id, name, or part of the name."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any

from samfleet.client.client import SamfleetClient
from samfleet.client.schemas import SHOWN_ID
from samfleet.errors import InvalidInput, NotFound
from samfleet.machine import machine_name

Hardware = dict[str, Any]
_LEAST_ID = 4  # shorter strings are taken as names


class HardwareUnknown(NotFound):
    """No hardware has this name or id."""

    code = "hardware_unknown"


class HardwareAmbiguous(InvalidInput):
    """Several machines have this name; give the id of one, or its first characters."""

    code = "hardware_ambiguous"


def hardware_id(client: SamfleetClient, wanted: str) -> str:
    """Return the hardware id: a full id is returned without a look-up, a name is resolved."""
    try:
        return str(uuid.UUID(wanted))
    except ValueError:
        return str(find_hardware(client.hardware(), wanted)["id"])


def find_hardware(known: Sequence[Hardware], wanted: str) -> Hardware:
    """Find hardware. A full name takes precedence over a part of one, so that `NVIDIA L4` does not match the L40."""
    text = wanted.casefold()
    ways: tuple[Callable[[Hardware], bool], ...] = (
        lambda one: text in {one["device_name"].casefold(), shown_name(one).casefold()},
        lambda one: len(text) >= _LEAST_ID and str(one["id"]).startswith(text),
        lambda one: text in shown_name(one).casefold(),
    )
    for fits in ways:
        found = [one for one in known if fits(one)]
        if len(found) == 1:
            return found[0]
        if found:
            raise HardwareAmbiguous(
                f"{wanted!r} matches {len(found)} machines; give the id of one, or its first characters: "
                f"{_listed(found)}"
            )
    here = f"known hardware: {_listed(known)}" if known else "nothing has been measured yet"
    raise HardwareUnknown(f"no hardware matches {wanted!r}; {here}")


def shown_name(one: Hardware) -> str:
    """Return the name that reports use."""
    return machine_name(str(one["device_kind"]), str(one["device_name"]), one["facts"])


def _listed(hardware: Sequence[Hardware]) -> str:
    return "; ".join(f"{str(one['id'])[:SHOWN_ID]} {shown_name(one)}, {_execution(one)}" for one in hardware)


def _execution(one: Hardware) -> str:
    compiled = "" if one["compilation"] == "none" else f"+{one['compilation']}"
    torch = one["facts"].get("torch")
    return f"{one['precision']}{compiled}" + (f", torch {torch}" if torch else "")
