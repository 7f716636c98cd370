"""Tables and charts of reports.

May import `tables`, `jobs`, `client`.
"""
