"""The figures of the page as plain data, which plotly.js draws."""
