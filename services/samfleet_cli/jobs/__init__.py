"""Steps of `samfleet segment` and `samfleet demo`: make a dataset, submit, wait, write result files.

May import `connection`, `client`, `local_stack`.
"""
