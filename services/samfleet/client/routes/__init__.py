"""Descriptions of the calls of the REST API, which both clients use. `docs/api.md` documents routes and bodies."""
