"""Lines that options.comment keeps from being read, though they look like rows."""

from __future__ import annotations

import pytest

from crm_spark.ingest.loading.comments import like_rows


@pytest.mark.parametrize(
    ("lines", "n"),
    [
        (["nr;sku", "#1;TEE", "2;CAP", "#3;CAP"], 2),
        (["# by ann; today", "", "nr;sku", "2;CAP", "# 2 rows", "#", ""], 0),
        (["# a;b", "# c;d"], 0),
        ([""], 0),
        ([], 0),
    ],
)
def test_comments_that_have_the_separators_of_the_header_are_like_rows(
    lines: list[str], n: int
) -> None:
    assert like_rows(lines, "#", ";") == n
