"""Object stores: files, S3, memory.

Imports no other folder.
"""
