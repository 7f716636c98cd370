"""Makes UTF-8 the encoding of text files wherever the model code runs."""

from __future__ import annotations

import locale
from contextlib import suppress

_LOCALES = ("C.UTF-8", "C.utf8", "en_US.UTF-8")  # every glibc since 2.35 has the first


def use_utf8() -> str:
    """Make this process open text files as UTF-8, and return the encoding that is now in use.

    Triton's stub embeds Python and ignores the environment. Neither LANG nor PYTHONUTF8 changes its locale C, in which
    files are ASCII, and torch's compiler cannot read its own templates. File names stay ASCII with escapes.
    """
    for name in _LOCALES:
        with suppress(locale.Error):
            locale.setlocale(locale.LC_CTYPE, name)
            break
    return locale.getencoding()
