"""Typed client of the REST API: transport, calls, and schemas of responses.

Imports `samfleet` and no other folder.
"""
