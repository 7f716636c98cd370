"""Run a program so that no other account can open its files and shared memory.

`python -m samfleet_cli.local_stack.confine -- PROGRAM ARGUMENT...` sets the umask and executes the program in the same
process. The umask alone is not enough for Triton: its Python backend creates the shared memory for images with mode
0600 under this umask, but then opens it to everybody with fchmod(2). Correcting the mode afterwards would leave a
moment in which another account can open the file. So a seccomp(2) filter rejects each fchmod that gives access to other
accounts; Triton ignores the error.
"""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence

UMASK = 0o077
_OTHERS = 0o077

# linux/prctl.h, linux/seccomp.h, linux/audit.h, asm/unistd.h
_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2
_SECCOMP_RET_ALLOW = 0x7FFF0000
_SECCOMP_RET_ERRNO = 0x00050000
_EPERM = 1
_FCHMOD = {"x86_64": (0xC000003E, 91), "aarch64": (0xC00000B7, 52)}  # by machine: AUDIT_ARCH, system call number

# linux/bpf_common.h, and offsets into struct seccomp_data
_LOAD_WORD = 0x20
_JUMP_IF_EQUAL = 0x15
_JUMP_IF_ANY_BIT = 0x45
_RETURN = 0x06
_NUMBER, _ARCHITECTURE, _SECOND_ARGUMENT = 0, 4, 24


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("yes", ctypes.c_uint8), ("no", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.POINTER(_Instruction)))


def command(argv: Sequence[str]) -> tuple[str, ...]:
    return (sys.executable, "-m", __name__, "--", *argv)


def refuse_opening_modes() -> bool:
    """Install the filter in this process and its children; False if the kernel does not support it."""
    if platform.machine() not in _FCHMOD:
        return False
    architecture, fchmod = _FCHMOD[platform.machine()]
    lines = (
        (_LOAD_WORD, 0, 0, _ARCHITECTURE),
        (_JUMP_IF_EQUAL, 0, 5, architecture),
        (_LOAD_WORD, 0, 0, _NUMBER),
        (_JUMP_IF_EQUAL, 0, 3, fchmod),
        (_LOAD_WORD, 0, 0, _SECOND_ARGUMENT),
        (_JUMP_IF_ANY_BIT, 0, 1, _OTHERS),
        (_RETURN, 0, 0, _SECCOMP_RET_ERRNO | _EPERM),
        (_RETURN, 0, 0, _SECCOMP_RET_ALLOW),
    )
    instructions = (_Instruction * len(lines))(*(_Instruction(*line) for line in lines))
    libc = ctypes.CDLL(None, use_errno=True)
    # Unprivileged processes may install a filter only after this: set-user-ID programs then gain no privileges.
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    program = _Program(len(lines), instructions)
    return bool(libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) == 0)


def main(argv: Sequence[str]) -> None:
    program = argv[argv.index("--") + 1 :]
    os.umask(UMASK)
    if modprobe := shutil.which("nvidia-modprobe"):
        # CUDA runs this set-user-ID program to create missing device files, which is impossible under the filter.
        subprocess.run((modprobe, "--unified-memory", "--create-nvidia-device-file=0"), check=False)
    if not refuse_opening_modes():
        sys.stderr.write(
            "samfleet: this kernel has no seccomp filters; other accounts of this machine can read the images that "
            "Triton keeps in /dev/shm\n"
        )
        sys.stderr.flush()
    os.execv(program[0], list(program))  # noqa: S606 - executing the program is this module's purpose


if __name__ == "__main__":
    main(sys.argv[1:])
