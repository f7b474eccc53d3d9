"""How each kind of step is done: one file to a kind."""
