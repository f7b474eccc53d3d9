"""What devices tell of themselves: flaws in their data, latency and resources, and one that is unlike the rest."""
