"""Hourly sums of measurements, updated as images are recorded, so that reports need not read every image.

May import `db` and below.
"""
