"""How right a model is: by labels that come late, by people's taps, and by its own scores alone."""
