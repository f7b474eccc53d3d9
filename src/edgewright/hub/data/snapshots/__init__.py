"""Snapshots of datasets: their files, the rows in them, and how samples join."""
