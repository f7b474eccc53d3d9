"""Steps that hand a model to the toolchain of other hardware."""
