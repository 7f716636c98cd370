"""Errors of archives. Each refuses the whole archive."""

from __future__ import annotations

from samfleet.errors import InvalidInput, TooLarge


class ArchiveInvalid(InvalidInput):
    """The archive is broken or not of its format; pack it again."""

    code = "archive_invalid"


class ArchiveEncrypted(InvalidInput):
    """The archive has encrypted members; pack it without a password."""

    code = "archive_encrypted"


class ArchiveNameForbidden(InvalidInput):
    """A name in the archive is absolute or leads out of it; pack relative names."""

    code = "archive_name_forbidden"


class ArchiveMemberForbidden(InvalidInput):
    """The archive has a link, a device or a sparse file; pack only files and folders."""

    code = "archive_member_forbidden"


class ArchiveDuplicate(InvalidInput):
    """Two images of the archive have the same name; names must be unique."""

    code = "archive_duplicate"


class ArchiveBomb(InvalidInput):
    """The archive unpacks to far more than its own size; images do not compress so well."""

    code = "archive_bomb"


class ArchiveFormatUnknown(InvalidInput):
    """The format of the archive is not known; name it .zip, .tar, .tar.gz or .tgz, or state its format."""

    code = "archive_format_unknown"


class ArchiveNotFound(InvalidInput):
    """The archive does not exist where the request says."""

    code = "archive_not_found"


class ArchiveTooLarge(TooLarge):
    """The archive or what it unpacks to is larger than this server accepts."""

    code = "archive_too_large"
