"""Reports as tables and charts.

May import `tables`, `jobs`, `client`.
"""
