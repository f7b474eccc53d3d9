"""From tensors to counts: what is read from a row, and the slots that it falls into."""
