"""Frozen dataclasses from the contents of a YAML file; every value is checked against the field's annotation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from samfleet.errors import InvalidInput

Record = TypeVar("Record")
NAMES = {str: "a string", int: "a whole number", float: "a number", bool: "true or false", NoneType: "null"}


class FieldInvalid(InvalidInput):
    """A field has an invalid value."""

    code = "field_invalid"


def changed(record: Record, values: object, where: str) -> Record:
    """Return the dataclass `record` with the fields that `values` names; `where` names the mapping in errors."""
    given = mapping(values, where)
    hints = get_type_hints(type(record))
    known = [field.name for field in fields(record)]  # type: ignore[arg-type]  # any dataclass
    for name in given:
        if name not in known:
            raise FieldInvalid(f"{where}.{name} is not a field; the fields are {', '.join(known)}")
    checked = {name: value_of(hints[name], value, f"{where}.{name}") for name, value in given.items()}
    return replace(record, **checked)  # type: ignore[type-var]  # any dataclass


def mapping(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise FieldInvalid(f"{where} is {shown(value)}; write its fields below it, each as `name: value`")
    return value


def value_of(hint: Any, value: object, where: str) -> Any:
    """Convert a value to the annotation `hint`: lists become tuples, whole numbers become floats."""
    found, fits = _converted(hint, value)
    if not fits:
        quoted = " (in quotes)" if hint is str and isinstance(value, int | float) else ""
        raise FieldInvalid(f"{where} is {shown(value)}; write {described(hint)}{quoted}")
    return found


def described(hint: Any) -> str:
    """Describe an annotation in words."""
    match get_origin(hint), get_args(hint):
        case (origin, choices) if origin is Literal:
            return _any_of([str(choice) for choice in choices])
        case (origin, kinds) if origin in {Union, UnionType}:
            return _any_of([described(kind) for kind in kinds])
        case (origin, (kind, *more)) if origin is tuple and more == [...]:
            return f"a list in which each item is {described(kind)}"
        case (origin, kinds) if origin is tuple:
            return f"a list of {len(kinds)} items, each {described(kinds[0])}"
    return NAMES[hint]


def shown(value: object) -> str:
    return "missing" if value is None else repr(value)


def _converted(hint: Any, value: object) -> tuple[Any, bool]:
    """Return (value, True if it fits the annotation)."""
    origin, kinds = get_origin(hint), get_args(hint)
    if origin is Literal:
        return value, any(value == choice and type(value) is type(choice) for choice in kinds)
    if origin in {Union, UnionType}:
        return next((found for found in (_converted(kind, value) for kind in kinds) if found[1]), (value, False))
    if origin is tuple:
        return _converted_list(kinds, value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value), True
    return value, type(value) is hint


def _converted_list(kinds: tuple[Any, ...], value: object) -> tuple[Any, bool]:
    if not isinstance(value, list):
        return value, False
    wanted = (kinds[0],) * len(value) if kinds[-1] is ... else kinds
    if len(wanted) != len(value):
        return value, False
    parts = [_converted(kind, part) for kind, part in zip(wanted, value, strict=True)]
    return tuple(part for part, _ in parts), all(fits for _, fits in parts)


def _any_of(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
