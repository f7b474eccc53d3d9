"""Figures of check-ins: a real hub with 100,000 devices, peers, and a lean client in a process of its own."""
