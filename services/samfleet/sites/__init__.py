"""Exchange of measurements between sites as signed files.

May import `reports` and `jobs` and below.
"""
