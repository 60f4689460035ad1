"""Options of Spark's readers of files: a misspelt one is silently left out by Spark."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# Those of Spark 4.2's readers of CSV, JSON, Parquet and ORC, and of all files.
_KNOWN = """
sep delimiter encoding charset quote escape charToEscapeQuoteEscaping comment header inferSchema
preferDate enforceSchema ignoreLeadingWhiteSpace ignoreTrailingWhiteSpace nullValue emptyValue
nanValue positiveInf negativeInf dateFormat timestampFormat timestampNTZFormat
enableDateTimeParsingFallback maxColumns maxCharsPerColumn mode columnNameOfCorruptRecord multiLine
locale lineSep unescapedQuoteHandling compression samplingRatio extension singleVariantColumn
primitivesAsString prefersDecimal allowComments allowUnquotedFieldNames allowSingleQuotes
allowNumericLeadingZeros allowBackslashEscapingAnyCharacter allowUnquotedControlChars
dropFieldIfAllNull allowNonNumericNumbers timeZone mergeSchema datetimeRebaseMode int96RebaseMode
pathGlobFilter recursiveFileLookup modifiedBefore modifiedAfter ignoreCorruptFiles
ignoreMissingFiles basePath
"""
# What others call them.
_OTHERS = {
    "separator": "sep",
    "newline": "lineSep",
    "skipinitialspace": "ignoreLeadingWhiteSpace",
}
# Nearer than this a name is taken for a misspelt one; others may be of a reader not Spark's own.
_NEAR = 0.75


def misspelt_options(names: Iterable[str]) -> list[str]:
    """Give a fault for each name that is no option of Spark's readers, and near to one."""
    known = {**{name.lower(): name for name in _KNOWN.split()}, **_OTHERS}
    faults = []
    for name in names:
        if name.lower() in known and name.lower() not in _OTHERS:
            continue
        near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=_NEAR)
        if near:
            faults.append(f"options: Spark has no {name}, did you mean {known[near[0]]!r}?")
    return faults
