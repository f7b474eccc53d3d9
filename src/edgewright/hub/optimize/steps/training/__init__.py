"""Steps that train, with PyTorch (extra `torch`)."""
