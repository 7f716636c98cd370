"""`samfleet survey`: plans of measurements, their jobs, and reports.

May import `jobs`, `connection` and below.
"""
