"""Names of sites, as settings, files and tables hold them."""

from __future__ import annotations

import re

SITE_NAME = r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$"
LOCAL_SITE = "local"  # what was measured here, in all reports


def check_site_name(name: str) -> str:
    if re.fullmatch(SITE_NAME, name) is None or name.casefold() == LOCAL_SITE:
        raise ValueError(
            f"{name!r} cannot be the name of a site; take 1 to 64 letters, digits, '.', '_' and '-', and not "
            f"{LOCAL_SITE!r}, which every site calls itself"
        )
    return name
