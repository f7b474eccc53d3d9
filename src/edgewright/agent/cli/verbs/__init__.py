"""The verbs of the device's command, one file each: `add` describes the verb, and its `act` does it."""
