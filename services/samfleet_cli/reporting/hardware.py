"""Which hardware a person means: its id, how that begins, its name, or a part of its name."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any

from samfleet.errors import InvalidInput, NotFound
from samfleet.machine import machine_name
from samfleet_cli.client.client import SamfleetClient
from samfleet_cli.client.schemas import SHOWN_ID

Hardware = dict[str, Any]
_LEAST_ID = 4  # fewer digits of an id are a name rather


class HardwareUnknown(NotFound):
    """No hardware has this name or id."""

    code = "hardware_unknown"


class HardwareAmbiguous(InvalidInput):
    """Several machines have this name; give the id of one, or how it begins."""

    code = "hardware_ambiguous"


def hardware_id(client: SamfleetClient, wanted: str) -> str:
    """An id is taken as it is; a name is looked up."""
    try:
        return str(uuid.UUID(wanted))
    except ValueError:
        return str(find_hardware(client.hardware(), wanted)["id"])


def find_hardware(known: Sequence[Hardware], wanted: str) -> Hardware:
    """The whole name goes before a part of it, so that `NVIDIA L4` is not the L40 too."""
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
                f"{wanted!r} is {len(found)} machines; give the id of one, or how it begins: {_listed(found)}"
            )
    here = f"there are: {_listed(known)}" if known else "nothing was measured yet"
    raise HardwareUnknown(f"no hardware is called {wanted!r}; {here}")


def shown_name(one: Hardware) -> str:
    """As reports have it."""
    return machine_name(str(one["device_kind"]), str(one["device_name"]), one["facts"])


def _listed(hardware: Sequence[Hardware]) -> str:
    return "; ".join(f"{str(one['id'])[:SHOWN_ID]} {shown_name(one)}, {_execution(one)}" for one in hardware)


def _execution(one: Hardware) -> str:
    compiled = "" if one["compilation"] == "none" else f"+{one['compilation']}"
    torch = one["facts"].get("torch")
    return f"{one['precision']}{compiled}" + (f", torch {torch}" if torch else "")
