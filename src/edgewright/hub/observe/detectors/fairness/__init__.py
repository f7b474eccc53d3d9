"""Whether a model serves one group of people or places worse than the others."""
