"""Backups of the embedded stack: one file with the database, the objects that it names, and two keys.

Imports the embedded stack and the shared library.
"""
