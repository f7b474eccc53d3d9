"""What bench/agent.py measures: one file for each kind of figure."""
