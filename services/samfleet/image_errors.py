"""Errors of a single image, with the codes that its row and the API show.

Such an image fails for good; the other images of its run continue.
"""

from __future__ import annotations

from samfleet.errors import InvalidInput


class ImageFailed(InvalidInput):
    """This image cannot be segmented; its row says why and the other images continue."""

    code = "image_failed"


class ImageMissing(ImageFailed):
    """The image file is missing; restore it."""

    code = "image_missing"


class ImageEmpty(ImageFailed):
    """The image file is empty; upload it again."""

    code = "image_empty"


class ImageUnreadable(ImageFailed):
    """The file cannot be read as an image."""

    code = "image_unreadable"


class ImageTruncated(ImageFailed):
    """The image file is truncated; fetch or upload it again."""

    code = "image_truncated"


class ImageTooLarge(ImageFailed):
    """The image has more bytes or pixels than this server accepts; scale it down."""

    code = "image_too_large"


class ImageNameInvalid(ImageFailed):
    """The image's name cannot be stored; rename the file and make a new dataset."""

    code = "image_name_invalid"


class ImageFormatUnsupported(ImageFailed):
    """The file has a format that this server cannot read; convert it to JPEG or PNG."""

    code = "image_format_unsupported"


class SourceChanged(ImageFailed):
    """The image changed where it lies after the dataset was made; make a new dataset."""

    code = "source_changed"


class SourceForbidden(ImageFailed):
    """The server may not read the image where it lies; give it access."""

    code = "source_forbidden"


class SourceUnavailable(ImageFailed):
    """The image's server did not answer for long; run the job again later."""

    code = "source_unavailable"


class RedirectForbidden(ImageFailed):
    """The image's address redirects to one that the server may not read; state an address that does not."""

    code = "redirect_forbidden"


class FrameMissing(ImageFailed):
    """The file has no frame of this number; state a smaller one."""

    code = "frame_missing"


class TooManyFrames(ImageFailed):
    """The file has more frames than this server accepts; split the file."""

    code = "too_many_frames"
