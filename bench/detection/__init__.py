"""The worlds, streams and peers of bench/detectors.py."""
