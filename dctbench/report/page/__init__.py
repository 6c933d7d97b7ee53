"""The data that the page's script selects from: every statistic computed here, once, and packed small.

Ten thousand results have about two megabytes beside plotly.js. So a number keeps only the digits that its text shows,
what is equal for many results is written once, and a sample is one character.
"""
