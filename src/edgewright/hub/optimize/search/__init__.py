"""The search, pure: what to try, what earlier studies teach, which trials are on the front, and which is best."""
