"""Licences of weights by SPDX identifier, and terms of datasets; the restricted ones must be accepted before use."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from samfleet.errors import Forbidden, InvalidInput

SETTING = "SAMFLEET_ACCEPT_LICENSES"
OWN = "LicenseRef-own"  # a user's own variant: the author of its file knows and accepts the terms
FREE = frozenset({"Apache-2.0", "BSD-3-Clause", "MIT", OWN})
# Their terms, as the end of "the weights are under X, which ...". Meta's and S-Lab's are not in SPDX's list.
RESTRICTED: Mapping[str, str] = {
    "AGPL-3.0": "requires you to give the source of a service built on them to its users",
    "S-Lab-1.0": "allows no commercial use",
    "SAM-License": "forbids military, nuclear, espionage and weapons uses, and applies to every copy and derivative",
}
# Terms of datasets that no free licence covers, written like those above.
OF_DATASETS: Mapping[str, str] = {
    "Flickr-terms": "leave each image under the licence that its photographer chose on Flickr",
    "Kinetics-terms": "leave each frame under the rights of the video's author on YouTube",
    "SA-1B-terms": "allow research only, and no attempt to identify a person",
    "SGinW-terms": "differ between its 25 sets; their pages on Roboflow state them",
}
NON_COMMERCIAL = frozenset({"S-Lab-1.0"})  # AGPL-3.0 and SAM-License allow commercial use under their terms


class LicenceNotAccepted(Forbidden):
    """The licence restricts the use of weights or of a dataset; name it in SAMFLEET_ACCEPT_LICENSES to accept it."""

    code = "licence_not_accepted"


class LicenceUnknown(InvalidInput):
    """SAMFLEET_ACCEPT_LICENSES names a licence that is not one of the restricted ones."""

    code = "licence_unknown"


def parse_accepted(setting: str) -> frozenset[str]:
    """Parse a list such as `AGPL-3.0,Flickr-terms`. Raises `LicenceUnknown` for a name that needs no acceptance."""
    names = frozenset(filter(None, (name.strip() for name in setting.split(","))))
    if unknown := sorted(names - set(RESTRICTED) - set(OF_DATASETS)):
        raise LicenceUnknown(
            f"{SETTING} names {', '.join(unknown)}; the restricted licences are {', '.join(sorted(RESTRICTED))}, "
            f"the terms of datasets {', '.join(sorted(OF_DATASETS))}"
        )
    return names


def licence_parts(licence: str) -> tuple[str, ...]:
    """Return the licences of an SPDX expression such as `Apache-2.0 AND AGPL-3.0`.

    `OR` is not read: a variant's record names the licence that was chosen.
    """
    return tuple(dict.fromkeys(re.sub(r"-(only|or-later)$", "", part) for part in licence.split(" AND ")))


def restricted_parts(licence: str) -> tuple[str, ...]:
    """Return the restricted licences of an SPDX expression, read like `licence_parts`."""
    return tuple(part for part in licence_parts(licence) if part not in FREE)


def joined_licences(*licences: str) -> str:
    """Return the SPDX expression of something made from works under all of these: every part applies, so the strictest.

    `Apache-2.0` and `S-Lab-1.0` give `Apache-2.0 AND S-Lab-1.0`, which must be accepted like S-Lab-1.0 alone.
    """
    return " AND ".join(dict.fromkeys(part for licence in licences for part in licence.split(" AND ")))


def require_accepted(what: str, licence: str, accepted: Collection[str]) -> None:
    """Raise `LicenceNotAccepted` unless all restricted parts of `licence` are in `accepted`.

    `what` is the subject of the error message, such as `the weights of edgesam`.
    """
    _require(what, restricted_parts(licence), RESTRICTED, accepted)


def require_terms(what: str, terms: Collection[str], accepted: Collection[str]) -> None:
    """Raise `LicenceNotAccepted` unless all `terms` of a dataset, names of `OF_DATASETS`, are in `accepted`."""
    _require(what, terms, OF_DATASETS, accepted)


def _require(what: str, parts: Collection[str], table: Mapping[str, str], accepted: Collection[str]) -> None:
    if missing := [part for part in parts if part not in accepted]:
        wanted = ",".join(sorted({*accepted, *missing}))
        terms = " and ".join(f"{part}, which {table.get(part, 'is not known to be free')}" for part in missing)
        raise LicenceNotAccepted(f"{what} are under {terms}; if you accept that, set {SETTING}={wanted}")
