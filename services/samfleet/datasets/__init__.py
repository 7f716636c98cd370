"""Datasets: folders and uploads, annotations and detections, names and content.

May import `db`, `storage`, `masks` and below.
"""
