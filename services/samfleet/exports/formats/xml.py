"""XML of exports, written a piece at a time.

XML 1.0 cannot hold most control characters, not even escaped; they become U+FFFD.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape, quoteattr

XML_HEAD = '<?xml version="1.0" encoding="utf-8"?>\n'
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def start_tag(name: str, attributes: Mapping[str, Any]) -> str:
    return f"<{name}{_attributes(attributes)}>"


def empty_tag(name: str, attributes: Mapping[str, Any]) -> str:
    return f"<{name}{_attributes(attributes)}/>"


def text_element(name: str, value: Any) -> str:
    """Return an element with a text, whose line ends are kept."""
    return f"<{name}>{escape(_clean(value), {chr(13): '&#13;'})}</{name}>"


def _attributes(attributes: Mapping[str, Any]) -> str:
    return "".join(f" {name}={quoteattr(_clean(value))}" for name, value in attributes.items())


def _clean(value: Any) -> str:
    return _NOT_IN_XML.sub("\ufffd", str(value))
