"""Datasets of an archive: zip, tar or tar.gz, whose images a task unpacks into the object store."""
