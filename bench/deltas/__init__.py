"""What bench/delta.py is made of: really trained pairs of models, peers, limits, fleets."""
