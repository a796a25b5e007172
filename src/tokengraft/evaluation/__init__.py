"""Measuring a model, one metric a file: what was gained, what was lost, and is the base still there bit for bit.

A measure (`passes.Measure`) adds up what it needs from one shared pass over the text; a new one is a new file and a
line in `scorecard`. Nothing here trains, except `plain`, which is what the engine is measured against.
"""
