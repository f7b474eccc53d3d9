"""The checks, one file for each thing that they are about; each yields one finding or more."""
