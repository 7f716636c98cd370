"""Errors of `samfleet backup` and `samfleet restore`, documented in docs/backup.md."""

from __future__ import annotations

from samfleet.errors import Conflict, InvalidInput, NotFound, SamfleetError, Unavailable


class NothingToBackUp(NotFound):
    """The state directory has no database; name that of the stack in SAMFLEET_STATE_DIR."""

    code = "backup_no_stack"


class PartIsElsewhere(Conflict):
    """The database or the object store of this stack is not embedded; back it up with its own tools."""

    code = "backup_part_elsewhere"


class StackUnsupervised(Conflict):
    """The stack runs without a supervisor; `samfleet up` takes it over, `samfleet down` stops it."""

    code = "backup_stack_degraded"


class BackupExists(Conflict):
    """The file exists; choose another name, or remove it."""

    code = "backup_exists"


class BackupObjectsMissing(Conflict):
    """The object store lacks objects that rows name; `--allow-missing` makes a backup without them."""

    code = "backup_objects_missing"


class BackupDamaged(InvalidInput):
    """The backup is damaged; take another one."""

    code = "backup_damaged"


class NotABackup(InvalidInput):
    """The file is not a backup of samfleet."""

    code = "backup_invalid"


class BackupTooNew(Conflict):
    """The backup is of a newer release; restore it with that release."""

    code = "backup_too_new"


class TargetInUse(Conflict):
    """The state directory is not empty; name a new one in SAMFLEET_STATE_DIR."""

    code = "restore_target_in_use"


class DatabaseToolFailed(SamfleetError):
    """A program of PostgreSQL failed; its message says why."""

    code = "database_tool_failed"


class DatabaseAway(Unavailable):
    """The database did not respond during the backup; repeat it."""

    code = "backup_database_away"


class DatabaseDidNotStart(Unavailable):
    """The embedded PostgreSQL did not start for the backup; its log says why."""

    code = "backup_database_not_started"
