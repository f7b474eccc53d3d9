"""Words and bytes that hub, client and agent share."""
