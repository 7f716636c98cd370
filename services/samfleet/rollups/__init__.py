"""Measurements added up by hour as they are recorded, so that reports do not read every image.

May import `db` and below.
"""
