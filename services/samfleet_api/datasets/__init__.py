"""Routes of datasets: from a folder or by upload, annotations, detections, sealing.

May import `samfleet` and the modules at the root of `samfleet_api`.
"""
