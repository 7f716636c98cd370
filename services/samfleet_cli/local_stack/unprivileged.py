"""Run a program as an account other than root, because PostgreSQL refuses to run as root.

`python -m samfleet_cli.local_stack.unprivileged -- PROGRAM ARGUMENT...` switches to the account `nobody` and executes
the program in the same process. That account may not enter the state directory. Instead of opening the directories to
everybody, the program keeps one ambient capability (capabilities(7)), which lets it read and search regardless of
modes, but not write. The capability also protects its memory and `/proc/PID/cwd`, which leads to its files, from other
processes of `nobody` (ptrace(2) needs the same capabilities).
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
    """Return the command that runs `argv` unprivileged: `argv` itself unless this process is root."""
    return tuple(argv) if os.geteuid() != 0 else (sys.executable, "-m", __name__, "--", *argv)


def give(path: Path) -> None:
    """If this process is root, make the unprivileged account the owner of `path`."""
    if os.geteuid() == 0:
        account = pwd.getpwnam(ACCOUNT)
        os.chown(path, account.pw_uid, account.pw_gid)


def _kept_capability() -> int:
    """Choose the capability that only reads and searches; most containers have only the one that also writes."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    permitted = int(next(line for line in status.splitlines() if line.startswith("CapPrm:")).split()[1], 16)
    return _CAP_DAC_READ_SEARCH if permitted & 1 << _CAP_DAC_READ_SEARCH else _CAP_DAC_OVERRIDE


def _become_account() -> None:
    account = pwd.getpwnam(ACCOUNT)
    capability = _kept_capability()
    _prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP)  # otherwise access(2) and setuid(2) clear the capability
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
        raise OSError(number, f"{os.strerror(number)}: cannot keep access to files while dropping root")


def main(argv: Sequence[str]) -> None:
    program = argv[argv.index("--") + 1 :]
    _become_account()
    os.chdir("/")  # the account may have no access to the current folder
    os.execv(program[0], list(program))  # noqa: S606 - executing the program is this module's purpose


if __name__ == "__main__":
    main(sys.argv[1:])
