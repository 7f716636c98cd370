"""The `samfleet` command.

May import `samfleet`; talks to the API by HTTP and to the model code by processes.
"""
