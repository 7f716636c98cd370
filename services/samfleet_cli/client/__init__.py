"""The REST API as typed calls: transport, client, schemas of its answers.

Imports `samfleet` and no other folder.
"""
