"""The tree of errors: every class has an error code, and no two classes share one."""

from __future__ import annotations

import importlib
import pkgutil
import re
from functools import cache

import samfleet
from samfleet.errors import MOST_DESCRIBED, SamfleetError, describe


def subclasses(root: type[SamfleetError]) -> list[type[SamfleetError]]:
    return [each for error in root.__subclasses__() for each in (error, *subclasses(error))]


@cache
def all_errors() -> list[type[SamfleetError]]:
    for module in pkgutil.walk_packages(samfleet.__path__, "samfleet."):
        importlib.import_module(module.name)
    return subclasses(SamfleetError)


def test_each_error_states_its_own_code() -> None:
    errors = [error for error in all_errors() if error.__module__.startswith("samfleet.")]
    codes = [error.__dict__.get("code") for error in errors]
    assert all(code and re.fullmatch(r"[a-z][a-z0-9_]*", code) for code in codes), codes
    assert len(set(codes)) == len(codes)


def test_each_error_has_a_message() -> None:
    assert all(error.__doc__ for error in all_errors())
    assert str(SamfleetError()) == "Something went wrong inside samfleet."


def test_the_docstring_lists_every_class_of_the_module() -> None:
    from samfleet import errors

    own = [error for error in all_errors() if error.__module__ == "samfleet.errors"]
    assert all(error.__name__ in (errors.__doc__ or "") for error in own)


def test_an_unforeseen_error_shows_its_type_and_nothing_private() -> None:
    statement = ValueError("(psycopg.Error) too long\n[SQL: SELECT 1]\n[parameters: {'key': 'secret'}]")
    assert describe(statement) == "ValueError: (psycopg.Error) too long"
    assert describe(PermissionError(13, "Permission denied", "/srv/secret")) == "PermissionError: Permission denied"
    assert describe(ValueError("a\0b\ud800\x1b[31m")) == "ValueError: ab[31m"
    assert describe(ZeroDivisionError()) == "ZeroDivisionError"
    assert len(describe(ValueError("x" * 10**6))) < MOST_DESCRIBED + 20
