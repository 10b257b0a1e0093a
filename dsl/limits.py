"""Bounds on what is read, each with its reason. Nothing a file holds can make the compiler hang or fill memory."""

from __future__ import annotations

FILE_BYTES_MAX = 2_000_000  # some 60,000 lines: 5,000 promotions in one file, which nobody could review
LINE_CHARACTERS_MAX = 2_000  # a label and its file's path fit ten times; longer lines are no sentences
NESTING_MAX = 8  # blocks in blocks; rules that people still understand have three
NAME_CHARACTERS_MAX = 64  # names stand on receipts' logs and in keys of counters
TEXT_CHARACTERS_MAX = 256  # the engine's bound on any text of a request: a longer one could never be equal
TERMS_CHARACTERS_MAX = 4_000  # a page of small print
LIST_ENTRIES_MAX = 1_000  # in the text itself; more belong into a file
LISTED_ENTRIES_MAX = 1_000_000  # of one file that a rule refers to
DATA_BYTES_MAX = 500_000_000  # a catalogue of a million articles as CSV
TABLE_ROWS_MAX = 2_000_000  # articles of the largest marketplaces that price their own baskets
DECLARATION_LINES_MAX = 2_500  # a list of 1,000 entries with comments; each wrong line reads its declaration once more
FINDINGS_PER_DECLARATION_MAX = 20  # nobody reads more at once; the rest appears when these are mended
FINDINGS_PER_FILE_MAX = 200  # of forms and lines; after them the rest of a file is not read
FINDINGS_MAX = 1_000  # of a project
MENDING_ROUNDS_MAX = 20  # of fixes that show the next finding of their line; lines have two or three
GUESSED_NAMES_MAX = 2_000  # among more names, «did you mean» looks only at those that begin or end alike
GUESSES_MAX = 100  # unknown names with a «did you mean»: comparing each with all names takes its time
CIRCLES_MAX = 20  # of one tangle of sets: each that is mended shows the next
COUNT_MAX = 100_000  # pieces of a `buy`, uses of a limit in one basket: the engine's bound on pieces
USES_MAX = 10**12  # a budget of uses
BIT_NAMES_MAX = 62  # channels, currencies: the engine keeps a promotion's as bits of one number
MEASURE_MAX = 10**9  # of a measure in a rule; in thousandths, and in a smaller unit, it fits int64
PERCENT_MAX = 10**6  # of a percentage that customers and articles have; a reward's is at most 100
AMOUNT_UNITS_MAX = 10**9  # of a currency in one amount; in micros it fits int64 with room for products
DURATION_MAX = 10_000  # days, weeks … of a period
STEPS_MAX = 16  # of «then»: the engine's bound; people follow three
SAVED_WIDEST = "9,999.99"  # of {saved} on a receipt, after the currency: who saves more has a receipt of his own
POINTS_WIDEST = "99,999"  # of {points} on a receipt
