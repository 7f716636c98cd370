"""Labels and notes, with which teams keep order among jobs and datasets.

Labels have the syntax of Kubernetes' labels (https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from samfleet.errors import InvalidInput

MOST_LABELS = 64
MOST_NOTES = 4000  # characters
_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
_DNS_PART = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_KEY = re.compile(rf"(?:(?P<prefix>{_DNS_PART}(?:\.{_DNS_PART})*)/)?{_PART}")
_VALUE = re.compile(rf"(?:{_PART})?")
_MOST_PREFIX = 253
_SHOWN = 80  # characters of a wrong label in a message
_RULE = "at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends"


class LabelsInvalid(InvalidInput):
    """A label is not valid, or there are too many; a key and a value have at most 63 letters, digits, '-', '_', '.'."""

    code = "labels_invalid"


def check_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the labels of a job or dataset. Raises `LabelsInvalid`."""
    if len(labels) > MOST_LABELS:
        raise LabelsInvalid(f"there are {len(labels)} labels; a job or dataset has at most {MOST_LABELS}")
    for key, value in labels.items():
        check_label(key, value)
    return dict(labels)


def check_label(key: str, value: str) -> None:
    """Check one label. A key may have a prefix, a DNS name and '/'; a value may be empty. Raises `LabelsInvalid`."""
    match = _KEY.fullmatch(key)
    if match is None or len(match["prefix"] or "") > _MOST_PREFIX:
        raise LabelsInvalid(
            f"the label {key[:_SHOWN]!r} is not a valid key: it needs {_RULE}, optionally after a DNS name and '/'"
        )
    if _VALUE.fullmatch(value) is None:
        raise LabelsInvalid(
            f"the label {key[:_SHOWN]} has the value {value[:_SHOWN]!r}; a value is empty or has {_RULE}"
        )


def parse_label(text: str, separator: str) -> tuple[str, str]:
    """Return the key and the value of `key<separator>value`. Raises `LabelsInvalid`."""
    key, found, value = text.partition(separator)
    if not found:
        raise LabelsInvalid(f"{text[:_SHOWN]!r} is not a label; write KEY{separator}VALUE")
    check_label(key, value)
    return key, value


def merge_labels(labels: Mapping[str, str], changes: Mapping[str, str | None] | None) -> dict[str, str]:
    """Return the labels after a JSON merge patch (RFC 7396): None removes a label, or all of them."""
    if changes is None:
        return {}
    merged = {**labels, **changes}
    return check_labels({key: value for key, value in merged.items() if value is not None})


def merge_changes(row: Any, changes: Mapping[str, Any]) -> list[str]:
    """Set fields of a job or dataset; labels are merged. Return the names of the fields that changed, sorted."""
    changed = []
    for name, value in changes.items():
        before = getattr(row, name)
        after = merge_labels(before, value) if name == "labels" else value
        if after != before:
            setattr(row, name, after)
            changed.append(name)
    return sorted(changed)
