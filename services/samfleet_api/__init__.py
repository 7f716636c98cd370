"""The REST API and the dashboard. A folder for each noun of the API.

May import `samfleet`.
"""
