"""Sentences, labels and cells: the same words in the terminal, in Markdown and on the page."""
