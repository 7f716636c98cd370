"""The REST API and the dashboard, with one folder per resource of the API.

May import `samfleet`.
"""
