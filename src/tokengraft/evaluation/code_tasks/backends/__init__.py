"""Who computes the answers: one backend a file."""
