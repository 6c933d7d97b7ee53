"""The report's figures as plain data, which plotly.js or an SVG draws."""
