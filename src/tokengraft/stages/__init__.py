"""The steps of the flow, one a file: each reads what the run folder has, does its part once, and notes that."""
