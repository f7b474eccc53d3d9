"""A site's cache: one device keeps blobs for its neighbours, who trust it for nothing.

Nothing is handed out here: every agent has `sharing`, and few need what serves, whose imports take a megabyte.
"""
