"""Pure decisions: facts in, a verdict out. No clock, no I/O."""
