"""Steps of `samfleet segment` and `samfleet demo`: create a dataset, submit a job, wait, write result files.

May import `connection`, `client`, `local_stack`.
"""
