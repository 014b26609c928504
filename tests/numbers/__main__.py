"""`python -m tests.numbers [PAGE…]`: the numbers that no claim covers."""

import sys

from tests.numbers.claims import PAGES
from tests.numbers.test_numbers import without_a_source

for page in sys.argv[1:] or PAGES:
    for line, number, around in without_a_source(page):
        print(f"{page}:{line}: {number}   … {around} …")
