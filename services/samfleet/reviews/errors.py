from __future__ import annotations

from samfleet.errors import Conflict, InvalidInput


class ReviewChanged(Conflict):
    """The review of the image has changed since you read it; read it again and repeat your changes."""

    code = "review_changed"


class ReviewMaskUnknown(InvalidInput):
    """The image has no mask with this index in this run."""

    code = "review_mask_unknown"


class ReviewMergeTooSmall(InvalidInput):
    """A merge needs at least two masks."""

    code = "review_merge_too_small"
