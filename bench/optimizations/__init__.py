"""What bench/optimize.py measures: the models, the plain tools used by hand, and the clock."""
