"""Each number in README and docs is generated, or checked against what it comes from.

A claim is a function that makes a page's sentence, or row, from its source and yields it
(`claims.says`); whoever measures again sees which pages are behind. `test_numbers.py` looks for
every sentence in its page, and then for numbers in the pages that no claim covers
(`coverage.py` says what needs none).

CHANGELOG.md is no such page: it says what was so when it was written, and nobody holds its figures
against anything.
"""
