"""Licences of weights, by SPDX identifier, and which of them somebody has to accept before the weights are used."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from samfleet.errors import Forbidden, InvalidInput

SETTING = "SAMFLEET_ACCEPT_LICENSES"
OWN = "LicenseRef-own"  # of a user's own variant: terms that whoever wrote its file knows and accepts
FREE = frozenset({"Apache-2.0", "BSD-3-Clause", "MIT", OWN})
# What they ask for, as the end of "the weights are under X, which ...". S-Lab's is not in SPDX's list.
RESTRICTED: Mapping[str, str] = {
    "AGPL-3.0": "asks you to give the source of a service built on them to its users",
    "S-Lab-1.0": "allows no commercial use",
}


class LicenceNotAccepted(Forbidden):
    """The weights' licence restricts their use; name it in SAMFLEET_ACCEPT_LICENSES if you accept it."""

    code = "licence_not_accepted"


class LicenceUnknown(InvalidInput):
    """SAMFLEET_ACCEPT_LICENSES names a licence that no weights need accepted."""

    code = "licence_unknown"


def parse_accepted(setting: str) -> frozenset[str]:
    """`AGPL-3.0,S-Lab-1.0`; each must be one that there is something to accept of."""
    names = frozenset(filter(None, (name.strip() for name in setting.split(","))))
    if unknown := sorted(names - set(RESTRICTED)):
        raise LicenceUnknown(
            f"{SETTING} names {', '.join(unknown)}; what can be accepted is {', '.join(sorted(RESTRICTED))}"
        )
    return names


def restricted_parts(licence: str) -> tuple[str, ...]:
    """What has to be accepted of an SPDX expression, such as `Apache-2.0 AND AGPL-3.0`; a choice (`OR`) is made in the
    record.
    """
    parts = dict.fromkeys(re.sub(r"-(only|or-later)$", "", part) for part in licence.split(" AND "))
    return tuple(part for part in parts if part not in FREE)


def require_accepted(what: str, licence: str, accepted: Collection[str]) -> None:
    """`what` is the subject of the sentence, such as `the weights of edgesam`."""
    if missing := [part for part in restricted_parts(licence) if part not in accepted]:
        wanted = ",".join(sorted({*accepted, *missing}))
        terms = " and ".join(f"{part}, which {RESTRICTED.get(part, 'is not known to be free')}" for part in missing)
        raise LicenceNotAccepted(f"{what} are under {terms}; if you accept that, set {SETTING}={wanted}")
