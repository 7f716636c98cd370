"""The `samfleet` command.

May import `samfleet`. It uses the API by HTTP and runs the model code in subprocesses.
"""
