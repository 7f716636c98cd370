"""ML backend of Label Studio that segments with a samfleet server.

It speaks the HTTP protocol that Label Studio expects of ML backends. The package `label-studio-ml` on PyPI is not used:
its last version pins Flask 1.1 and a package that replaces `attrs`.
"""
