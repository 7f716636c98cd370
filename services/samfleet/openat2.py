"""Linux's `openat2`: opens a path that must not contain a link, in one system call.

Without it the same takes two calls for each folder of the path, and each of them releases Python's lock.
Source: the manual page openat2(2).
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from ctypes import c_char_p, c_int, c_long, c_size_t, c_uint64

SYSTEM_CALL = 437  # on every architecture but Alpha
RESOLVE_NO_SYMLINKS = 0x04
AT_FDCWD = -100
MISSING = {errno.ENOSYS, errno.EPERM}  # an old kernel; a container's filter of system calls


class OpenAt2Missing(OSError):
    """The system has no `openat2`, or forbids it."""


class _How(ctypes.Structure):
    _fields_ = (("flags", c_uint64), ("mode", c_uint64), ("resolve", c_uint64))


def open_without_links(path: str, flags: int) -> int:
    """Open the path and return its descriptor. Raises `OSError` (ELOOP) if any part of the path is a link.

    Raises `OpenAt2Missing` where the call is missing. A file may also be forbidden (EPERM), so this says nothing about
    the next call.
    """
    if sys.platform != "linux":
        raise OpenAt2Missing(errno.ENOSYS, os.strerror(errno.ENOSYS), path)
    how = _How(flags, 0, RESOLVE_NO_SYMLINKS)
    while True:
        descriptor: int = _syscall(SYSTEM_CALL, AT_FDCWD, os.fsencode(path), ctypes.byref(how), ctypes.sizeof(how))
        if descriptor >= 0:
            return descriptor
        number = ctypes.get_errno()
        if number in MISSING:
            raise OpenAt2Missing(number, os.strerror(number), path)
        if number != errno.EINTR:  # else a signal came first; Python's own calls try again too
            raise OSError(number, os.strerror(number), path)


_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = c_long
_syscall.argtypes = (c_long, c_int, c_char_p, ctypes.POINTER(_How), c_size_t)
