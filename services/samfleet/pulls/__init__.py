"""Pulls of weights that a request starts and a worker does.

May import `jobs` and below.
"""
