"""Load on a hub that runs: simulated devices in real time, over HTTP; see `python -m edgewright.sim.load --help`."""
