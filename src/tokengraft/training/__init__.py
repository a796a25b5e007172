"""Paired batches, one loop, and checkpoints from which a run goes on to the bit-identical result."""
