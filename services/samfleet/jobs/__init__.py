"""The steps of a job: submit, plan, dispatch, claim, record, finish, evaluate, export, sweep, cancel.

May import `datasets`, `quality`, `rollups` and below.
"""
