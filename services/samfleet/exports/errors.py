from __future__ import annotations

from samfleet.errors import Conflict, InvalidInput, NotFound, SamfleetError


class ExportNotFound(NotFound):
    """The export does not exist."""

    code = "export_not_found"


class ExportFormatUnknown(InvalidInput):
    """No export format has this name; GET /v1/export-formats lists them."""

    code = "export_format_unknown"


class RunNotEnded(Conflict):
    """The run has not ended; export or compare it when it has."""

    code = "run_not_ended"


class TooManyExports(Conflict):
    """The run has as many exports as one may have; delete some first."""

    code = "too_many_exports"


class ExportNotCompleted(Conflict):
    """The export has no file: it is still being built, or it failed."""

    code = "export_not_completed"


class ExportOutdated(Conflict):
    """The run was retried before the export was built; ask for the export again when the run has ended."""

    code = "export_outdated"


class ExportFailed(SamfleetError):
    """The export could not be built; the run's results are complete."""

    code = "export_failed"


class ExportTooManyMasks(InvalidInput):
    """An image has more masks than the format can tell apart; leave small ones out, or use another format."""

    code = "export_too_many_masks"


class ExportTooManyFiles(InvalidInput):
    """The zip would have too many files; export fewer masks, or use a format with a file per image."""

    code = "export_too_many_files"


class ExportTooManyClasses(InvalidInput):
    """The masks have more classes than the format can tell apart; use one_class, or another format."""

    code = "export_too_many_classes"


class ExportNotGeoreferenced(InvalidInput):
    """No image has a coordinate reference system, which the format needs; use GeoTIFFs, or another format."""

    code = "export_not_georeferenced"


class ExportLibraryMissing(SamfleetError):
    """The worker lacks a library that the format needs; install it there, and ask for the export again."""

    code = "export_library_missing"
