"""Auto-annotation functions of CVAT (`cvat_sdk.auto_annotation`) that segment with a samfleet server."""
