"""Samples from the field: who is asked for them, which are wanted, what people say that they show."""
