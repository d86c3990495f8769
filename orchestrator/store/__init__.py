"""The results folder: the run directory is the database."""
