"""Estimates of jobs before they are submitted, from measurements of this site.

May import `jobs`, `reports` and below.
"""
