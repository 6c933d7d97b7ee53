"""Replacing the attention of a user's own model: find it, replace it, and see what changes.

`loading` loads a model with its inputs, `convert` replaces its attention by a method of the catalog, `drift` compares
the outputs of both models, and `recovery` trains the converted model to reproduce the original.
"""
