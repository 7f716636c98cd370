"""What can be wrong with one image, by the codes that its row and the API show. It fails alone and for good."""

from __future__ import annotations

from samfleet.errors import InvalidInput


class ImageFailed(InvalidInput):
    """This image cannot be segmented, now or ever; its row says why and the others go on."""

    code = "image_failed"


class ImageMissing(ImageFailed):
    """The image file is gone; put it back."""

    code = "image_missing"


class ImageEmpty(ImageFailed):
    """The image file has no bytes; upload it again."""

    code = "image_empty"


class ImageUnreadable(ImageFailed):
    """The file cannot be read as an image."""

    code = "image_unreadable"


class ImageTruncated(ImageFailed):
    """The image file ends before its pixels do; fetch or upload it again."""

    code = "image_truncated"


class ImageTooLarge(ImageFailed):
    """The image has more bytes or pixels than this server accepts; scale it down."""

    code = "image_too_large"


class ImageNameInvalid(ImageFailed):
    """The image's name cannot be stored; rename the file and make a new dataset."""

    code = "image_name_invalid"


class ImageFormatUnsupported(ImageFailed):
    """The file's format is not among JPEG, PNG, WebP, BMP and TIFF; convert it."""

    code = "image_format_unsupported"
