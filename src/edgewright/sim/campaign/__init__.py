"""Campaigns: whole fleets under faults, played from seeds, with what must always hold looked at after every step."""
