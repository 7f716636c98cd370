"""Constraints on licences: excluded ones, and commercial use. The licences of code and weights both count."""

from __future__ import annotations

from collections.abc import Iterable

from samfleet.advice.figures import Check, Figure
from samfleet.advice.question import AdviceInvalid, Question
from samfleet.licences import FREE, NON_COMMERCIAL, RESTRICTED, licence_parts
from samfleet.variants.record import VariantRecord

KNOWN = tuple(sorted({*FREE, *RESTRICTED}))


def excluded_parts(names: Iterable[str]) -> frozenset[str]:
    """Return the licences that the names mean: `AGPL-3.0`, or its family `AGPL`. Raises `AdviceInvalid`."""
    found: set[str] = set()
    for name in names:
        text = name.strip().casefold()
        meant = [one for one in KNOWN if text == one.casefold() or (text and one.casefold().startswith(f"{text}-"))]
        if not meant:
            raise AdviceInvalid(f"licence {name!r} is unknown; the licences of the variants are {', '.join(KNOWN)}")
        found.update(meant)
    return frozenset(found)


def check_licence(question: Question, record: VariantRecord | None, variant: str) -> Check | None:
    """Check a variant's licences; None if the question does not restrict them. `record` is None for a variant that is
    not hosted here, whose licences are unknown.
    """
    excluded = excluded_parts(question.exclude_licences)
    if not excluded and not question.commercial:
        return None
    if record is None:
        words = f"the licences of {variant} are unknown here"
        return Check("licence", "unknown", Figure("licence", where=words), words=words)
    parts = dict.fromkeys((*licence_parts(record.code_licence), *licence_parts(record.weights_licence)))
    words = f"code {record.code_licence}, weights {record.weights_licence}"
    figure = Figure("licence", 1.0, "record", where=words)
    refused = [part for part in parts if part in excluded or (question.commercial and part in NON_COMMERCIAL)]
    if refused:
        return Check("licence", "fails", figure, words=f"{words}; excluded: {', '.join(refused)}")
    unclear = [part for part in parts if question.commercial and part not in {*FREE, *RESTRICTED}]
    if unclear:
        return Check("licence", "unknown", figure, words=f"{words}; terms of {', '.join(unclear)} are unknown here")
    return Check("licence", "meets", figure, words=words)
