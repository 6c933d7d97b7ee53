"""What a report looks like: templates, styles and scripts, rendered by `dctbench.report`."""
