"""Parts of benchmarks/engine.py: what is measured, and on what."""
