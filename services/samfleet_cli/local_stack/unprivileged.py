"""Runs a program as another account than root, for PostgreSQL refuses to run as root.

`python -m samfleet_cli.local_stack.unprivileged -- PROGRAM ARGUMENT...` becomes the account `nobody` and then the
program, in the same process. That account may not enter the state directory. Opening the directories on the way to
everybody would be worse than what is done: one capability stays with the program, as Linux ambient capability
(capabilities(7)), to read and search whatever the modes say, not to write. It also keeps other processes of `nobody`
away from the program's memory and from `/proc/PID/cwd`, which leads to its files (ptrace(2): the same capabilities are
needed).
"""

from __future__ import annotations

import ctypes
import os
import pwd
import sys
from collections.abc import Sequence
from pathlib import Path

ACCOUNT = "nobody"

# linux/prctl.h, linux/securebits.h and linux/capability.h
_PR_SET_SECUREBITS = 28
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAP_DAC_OVERRIDE = 1
_CAP_DAC_READ_SEARCH = 2
_CAPABILITY_VERSION_3 = 0x20080522


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapabilityData(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def command(argv: Sequence[str]) -> tuple[str, ...]:
    """The command that runs `argv` unprivileged: itself unless we are root."""
    return tuple(argv) if os.geteuid() != 0 else (sys.executable, "-m", __name__, "--", *argv)


def give(path: Path) -> None:
    """Make the unprivileged account the owner, when we are root."""
    if os.geteuid() == 0:
        account = pwd.getpwnam(ACCOUNT)
        os.chown(path, account.pw_uid, account.pw_gid)


def _kept_capability() -> int:
    """Reading and searching alone; containers mostly have only the one that also writes."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    permitted = int(next(line for line in status.splitlines() if line.startswith("CapPrm:")).split()[1], 16)
    return _CAP_DAC_READ_SEARCH if permitted & 1 << _CAP_DAC_READ_SEARCH else _CAP_DAC_OVERRIDE


def _become_account() -> None:
    account = pwd.getpwnam(ACCOUNT)
    capability = _kept_capability()
    _prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP)  # else access(2) and setuid(2) clear the capability
    os.setgroups([])
    os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
    os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
    mask = 1 << capability
    header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
    data = (_CapabilityData * 2)(_CapabilityData(mask, mask, mask), _CapabilityData(0, 0, 0))
    _check(ctypes.CDLL(None, use_errno=True).capset(ctypes.byref(header), data))
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability)


def _prctl(option: int, *values: int) -> None:
    arguments = [*values, 0, 0, 0, 0][:4]
    _check(ctypes.CDLL(None, use_errno=True).prctl(option, *map(ctypes.c_ulong, arguments)))


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{os.strerror(number)}: cannot keep access to files while leaving root")


def main(argv: Sequence[str]) -> None:
    program = argv[argv.index("--") + 1 :]
    _become_account()
    os.chdir("/")  # the account may not be allowed where we are
    os.execv(program[0], list(program))  # noqa: S606 - becoming the program is this module's purpose


if __name__ == "__main__":
    main(sys.argv[1:])
