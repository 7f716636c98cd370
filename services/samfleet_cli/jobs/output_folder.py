"""Checks of the output folder. They run before a job is submitted, because a job may take hours."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from samfleet.errors import Conflict, InvalidInput, SamfleetError

DATASET_FILE = "dataset.json"
SUMMARY_FILE = "summary.json"
FORMS = ("coco", "instances")  # of a run's masks: COCO results for evaluation, and a complete COCO file for other tools
_MOST_NAMED = 3


class OutNotWritable(InvalidInput):
    """The folder of --out is not writable; choose another one."""

    code = "out_not_writable"


class ResultsExist(Conflict):
    """The folder of --out already has results; choose another folder, or --force to replace them."""

    code = "results_exist"


class ResultsNotWritten(SamfleetError):
    """The job has ended, but its files could not be written; `samfleet jobs follow` writes them again."""

    code = "results_not_written"


def require_out(out: Path, variants: Sequence[str], *, force: bool) -> None:
    """Raise an error if the folder cannot be written or created or, without `force`, if it has result files of these
    variants. The folder is not created yet: a job that is rejected later leaves nothing behind.
    """
    try:
        tempfile.TemporaryDirectory(dir=_nearest(out)).cleanup()  # permissions alone do not reveal /proc or a full disk
        names = [path.name for path in out.iterdir()] if out.exists() and not force else []
    except OSError as error:
        raise OutNotWritable(f"--out {out} is not writable ({error.strerror}); choose another folder") from error
    if found := sorted(name for name in names if _is_result(name, variants)):
        more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
        raise ResultsExist(
            f"--out {out} already has {', '.join(found[:_MOST_NAMED])}{more}; choose another folder, or --force to "
            "replace these files"
        )


def follow_command(job_id: str, out: Path, *, force: bool = False) -> str:
    """Return the shell command that writes the files of a job."""
    return f"samfleet jobs follow {job_id} --out {shlex.quote(str(out))}" + (" --force" if force else "")


@contextmanager
def said_if_not_written(job_id: str, out: Path) -> Iterator[None]:
    """Convert an `OSError` of the block to `ResultsNotWritten`, which explains how to write the files again."""
    try:
        yield
    except OSError as error:
        where = error.filename or out
        raise ResultsNotWritten(
            f"{where} cannot be written ({error.strerror}). The results are kept on the server: "
            f"`{follow_command(job_id, out, force=True)}` writes the files again"
        ) from error


def _nearest(folder: Path) -> Path:
    """Return the folder or its nearest existing parent."""
    return next(one for one in (folder, *folder.absolute().parents) if one.exists())


def _is_result(name: str, variants: Sequence[str]) -> bool:
    if name in {DATASET_FILE, SUMMARY_FILE}:
        return True
    suffixes = [f".{form}.json" for form in FORMS if name.endswith(f".{form}.json")]
    return any(name.removesuffix(suffix).partition("@")[0] in variants for suffix in suffixes)
