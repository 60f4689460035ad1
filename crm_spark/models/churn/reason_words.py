"""Reasons of churn in words: features grouped by theme, and what a service agent reads of a theme.

A sentence says nothing but what the customer's values are. It sets two numbers beside each other
where they show why the risk is higher or lower; where they do not, it leaves one of them out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from crm_spark.features.families.calendar import DAY_PARTS, WEEKDAYS
from crm_spark.features.families.contacts import CONTACT_DAYS
from crm_spark.features.families.decayed import HALF_LIFE_DAYS
from crm_spark.features.families.feedback import FEEDBACK_DAYS
from crm_spark.features.families.products import VARIETY_DAYS
from crm_spark.features.families.trends import TREND_DAYS
from crm_spark.features.families.visits import VISIT_DAYS
from crm_spark.features.families.windows import WINDOW_DAYS
from crm_spark.features.words import feature_in_words
from crm_spark.report.words import decimal, number, share
from crm_spark.words import counted, noun

# A customer's value of a feature; None: not known.
_Values = Callable[[str], float | None]
# Writes the sentence from the values and whether the risk is raised; None: nothing to say it with.
_Writer = Callable[[_Values, bool], str | None]


@dataclass(frozen=True)
class Theme:
    """Features that say the same kind of thing, each with what writes the sentence for it."""

    name: str
    about: str
    writers: Mapping[str, _Writer]


def theme_of(feature: str) -> str:
    """Give the theme of a feature; one of a user's own family is a theme by its own name."""
    # An own feature that is called like a theme of ours must not be added to it.
    return _THEME_OF.get(feature) or (f"own_{feature}" if feature in THEMES else feature)


def sentence(
    theme: str, features: Mapping[str, float | None], *, strongest: str, raises: bool
) -> str:
    """Give what a service agent reads of a theme, from the customer's values.

    `features` has all values that the model reads, None or NaN where one is not known; `strongest`
    is the feature of the theme that contributes most, `raises` whether the theme raises the risk.
    """

    def value(name: str) -> float | None:
        known = features.get(name)
        return None if known is None or not math.isfinite(known) else float(known)

    writer = THEMES[theme].writers.get(strongest) if theme in THEMES else None
    written = writer(value, raises) if writer else None
    return written or f"{feature_in_words(strongest)}: {number(value(strongest))}"


# --- numbers ---


def _rounded(value: float, decimals: int = 0) -> float:
    """Round halves up, as people do."""
    return math.floor(value * 10**decimals + 0.5) / 10**decimals


def _number(value: float, decimals: int = 0) -> str:
    rounded = _rounded(value, decimals)
    if rounded == 0 and value > 0:
        return f"less than {10**-decimals:g}"
    return decimal(rounded, 0 if rounded == int(rounded) else decimals)


def _things(n: float, word: str, decimals: int = 0) -> str:
    """Write a number of things: no orders, 1 order, 2.4 items."""
    if n == 0:
        return f"no {noun(0, word)}"
    rounded = _rounded(n, decimals)
    # "less than 1 item"
    return f"{_number(n, decimals)} {noun(1 if not rounded and not decimals else rounded, word)}"


def _days(n: float) -> str:
    return counted(_rounded(n), "day")


def _ago(age: float) -> str:
    return "yesterday" if age == 1 else f"{_days(age)} ago"


def _amount(value: float) -> str:
    return decimal(value, 0 if value == int(value) or abs(value) >= 100 else 2)


def _part(value: float) -> str:
    """Write a share in %, without rounding some to none or most to all."""
    if 0 < value < 0.005:
        return "less than 1%"
    return "more than 99%" if 0.995 <= value < 1 else share(value)


def _is_same(ratio: float) -> bool:
    return _rounded(100 * abs(ratio - 1)) == 0


def _change(ratio: float, more: str, less: str) -> str:
    """Write how much more or less it is than before: 50% more."""
    percent = _rounded(100 * abs(ratio - 1))
    return f"{percent:,.0f}% {more if ratio > 1 else less}"


# --- silence ---

_ONE_DAY_ONLY = "has ordered on one day only"


def _silence_days(v: _Values) -> float | None:
    silence = v("days_since_last_order")
    if silence is not None:
        return silence
    ratio, usual = v("silence_over_median_gap"), v("median_gap_days")
    if ratio == 0:
        return 0
    return None if ratio is None or usual is None else _rounded(ratio * usual)


def _usual_gap(v: _Values) -> float | None:
    usual = v("median_gap_days")
    if usual is not None:
        return _rounded(usual)
    ratio, silence = v("silence_over_median_gap"), v("days_since_last_order")
    return _rounded(silence / ratio) if silence and ratio else None


def _one_day(v: _Values) -> str | None:
    """Say that all orders were on one day, where they were."""
    if v("n_orders") == 1:
        return "has ordered once"
    tenure, silence = v("tenure_days"), v("days_since_last_order")
    is_one = v("n_order_days") == 1 or (silence is not None and tenure == silence + 1)
    return _ONE_DAY_ONLY if is_one else None


def _silence(v: _Values, raises: bool) -> str | None:
    silence, usual = _silence_days(v), _usual_gap(v)
    if once := _one_day(v):
        # Silence counts the days without an order: the order was on the day before them.
        age = v("tenure_days") if silence is None else silence + 1
        return once if age is None else f"{once}, {_ago(age)}"
    if silence is None:
        return None
    now = f"has not ordered for {_days(silence)}" if silence else "ordered yesterday"
    if usual is None or (silence > usual) != raises:
        return now
    # "for 41 days, usually orders every 9": the first number has said what is counted.
    every = "day" if usual == 1 else _number(usual) if silence > 1 else _days(usual)
    return f"{now}, usually orders every {every}"


def _silence_in_gaps(v: _Values, raises: bool) -> str | None:
    ratio = v("silence_over_median_gap")
    if written := _silence(v, raises):
        return written
    if ratio is None:
        return _ONE_DAY_ONLY  # the null rule
    if _rounded(ratio, 1) == 1:
        return "silent for about the usual gap between orders"
    return f"silent for {_number(ratio, 1)} times the usual gap between orders"


def _longer_gaps(v: _Values, raises: bool) -> str | None:
    longer, silence = v("longer_gaps_share"), _silence_days(v)
    if longer is None:
        return _silence(v, raises) or _ONE_DAY_ONLY  # the null rule
    # Counted are gaps that outlast this one by the horizon: at least as many are longer at all.
    percent = math.floor(100 * longer)
    least = "all" if longer == 1 else f"at least {percent}% of" if percent else "some"
    if silence is not None:
        start = _silence(v, raises)
        if raises or not longer or not silence:
            return start
        return f"has not ordered for {_days(silence)}, {least} earlier gaps were longer"
    if not longer:
        return "no earlier gap between orders was much longer than this one"
    return f"{least} earlier gaps between orders were longer than this one"


# --- orders, spend and items by window ---


@dataclass(frozen=True)
class _Measure:
    """What is summed over windows, and how it is said.

    `longer` gives for a window the one that holds it and about as many days before it.
    """

    stem: str
    says: Callable[[float, int], str]
    tail: Callable[[float, int], str]
    longer: Mapping[int, int]
    windows: tuple[int, ...] = WINDOW_DAYS
    trend: str = ""
    is_of_orders: bool = True

    def over(self, v: _Values, days: int) -> float | None:
        return v(f"{self.stem}_{days}d")


def _last(days: int) -> str:
    return f"in the last {counted(days, 'day')}"


def _orders_in(n: float, days: int) -> str:
    return f"{_things(n, 'order')} {_last(days)}"


def _order_days_in(n: float, days: int) -> str:
    return f"ordered on {_number(n) if n else 'none'} of the last {counted(days, 'day')}"


def _spend_in(amount: float, days: int) -> str:
    return f"spent {_amount(amount) if amount else 'nothing'} {_last(days)}"


def _items_in(n: float, days: int) -> str:
    return f"bought {_things(n, 'item')} {_last(days)}"


def _visits_in(n: float, days: int) -> str:
    return f"{_things(n, 'visit')} {_last(days)}"


def _number_before(n: float, days: int) -> str:
    return f"{_number(n) if n else 'none'} in the {days} before"


def _order_days_before(n: float, days: int) -> str:
    return f"on {_number(n) if n else 'none'} of the {days} before"


def _spend_before(amount: float, days: int) -> str:
    return f"{_amount(amount) if amount else 'nothing'} in the {days} before"


# Spans up to a fifth longer are still "about as many days": 96 before 84, 185 before 180.
_LONGER = {
    days: longer for days in WINDOW_DAYS for longer in WINDOW_DAYS if 2 <= longer / days <= 2.2
}
_ORDERS = _Measure("n_orders", _orders_in, _number_before, _LONGER, trend="n_orders_trend")
_ORDER_DAYS = _Measure("n_order_days", _order_days_in, _order_days_before, _LONGER)
_SPEND = _Measure("spend_amount", _spend_in, _spend_before, _LONGER, trend="spend_trend")
_ITEMS = _Measure("n_items", _items_in, _number_before, _LONGER)
_VISITS = _Measure(
    "n_visits",
    _visits_in,
    _number_before,
    dict(pairwise(VISIT_DAYS)),
    VISIT_DAYS,
    is_of_orders=False,
)


def _before(v: _Values, measure: _Measure, days: int) -> tuple[float, int] | None:
    """Give the sum over the days before a window, and how many days they are."""
    last = measure.over(v, days)
    if last is None:
        return None
    both, longer = measure.over(v, 2 * days), measure.longer.get(days)
    trend = v(f"{measure.trend}_{days}d") if measure.trend else None
    before, span = None, days
    if both is not None:
        before = both - last
    elif trend is not None and last > 0 and -1 < trend <= 1:
        before = last * (1 - trend) / (1 + trend)
        before = _rounded(before, 0 if measure is _ORDERS else 2)
    elif longer and (both := measure.over(v, longer)) is not None:
        before, span = both - last, longer - days
    # Less than nothing was bought where more was taken off than paid: nothing to compare with.
    # Parts are thousandths at least: what a difference has below them is no amount.
    before = None if before is None else _rounded(before, 3)
    return None if before is None or before < 0 else (before, span)


def _in_window(measure: _Measure, days: int, v: _Values, raises: bool) -> str | None:
    """Say what a window holds, and what was before it where that shows the direction."""
    last = measure.over(v, days)
    if last is None:
        return None
    if last <= 0 and not raises:
        # That there is nothing in a short window is no reason to stay; what is in a longer one may.
        for wider in measure.windows:
            held = measure.over(v, wider) if wider > days else None
            if held is not None and held > 0:
                return measure.says(held, wider)
    now = measure.says(last, days)
    tenure = v("tenure_days") if measure.is_of_orders else None
    if tenure is not None and tenure <= days:
        # Nothing could be before: the customer is new.
        is_first = measure is _ORDERS and last == 1
        return f"{now}, {'the only one so far' if is_first else f'first ordered {_ago(tenure)}'}"
    before = _before(v, measure, days)
    if before is None:
        return now
    held, span = before
    is_less = last < held and last / days < held / span
    is_more = last > held and last / days > held / span
    return f"{now}, {measure.tail(held, span)}" if (is_less if raises else is_more) else now


def _trend(measure: _Measure, days: int, v: _Values, raises: bool) -> str | None:
    """Say what the last days hold and what as many before them: that is what a trend is."""
    trend = v(f"{measure.trend}_{days}d")
    last, before = measure.over(v, days), _before(v, measure, days)
    if last is not None and before is not None:
        return f"{measure.says(last, days)}, {measure.tail(*before)}"
    if trend is None:
        # The null rule: the two spans cancel out, by amounts below zero or since both are 0.
        return measure.says(last, days) if last else measure.says(0, 2 * days)
    span = f"{_last(days)} {{}} in the {days} before"
    if trend == -1:
        return f"{measure.says(0, days)}, but some in the {days} before"
    if trend == 1:
        start = "orders" if measure is _ORDERS else "spent something"
        return f"{start} {_last(days)}, but nothing in the {days} before"
    if not -1 < trend < 1:
        return None
    ratio = (1 + trend) / (1 - trend)
    is_same = _is_same(ratio)
    if measure is _ORDERS:
        start = "about as many orders" if is_same else _change(ratio, "more orders", "fewer orders")
    else:
        start = "spent about as much" if is_same else f"spent {_change(ratio, 'more', 'less')}"
    return f"{start} {span.format('as' if is_same else 'than')}"


# Orders of two half-lives make up most of what is counted: the window next to them stands for it.
_NEAR = {
    half_life: sorted(WINDOW_DAYS, key=lambda days: (abs(days - 2 * half_life), days))
    for half_life in HALF_LIFE_DAYS
}
_DECAY_ERROR = 5e-10  # terms are rounded to 9 decimals


def _decayed(half_life: int, v: _Values, raises: bool) -> str | None:
    """Say a decayed count by plain ones, or by what it tells of them."""
    for days in _NEAR[half_life]:
        if written := _in_window(_ORDERS, days, v, raises):
            return written
    if v("n_orders") is not None:
        return _all_orders(v, raises)
    decayed = v(f"n_orders_half_life_{half_life}d")
    if decayed is None or decayed < 0:
        return None
    # No order weighs more than all of them: the newest is at least as old as one of that weight.
    age = math.ceil(half_life * -math.log2(decayed + _DECAY_ERROR))
    if age > 1:
        return f"no orders {_last(age - 1)}"
    # Each weighs less than one.
    return f"at least {counted(math.ceil(decayed - 1e-6), 'order')} so far"


def _all_orders(v: _Values, raises: bool) -> str | None:
    n, tenure = v("n_orders"), v("tenure_days")
    if n is None:
        return None
    if n == 1:
        return "has ordered once so far"
    return f"{_things(n, 'order')} so far" + (f", the first {_ago(tenure)}" if tenure else "")


def _all_order_days(v: _Values, raises: bool) -> str | None:
    n, tenure = v("n_order_days"), v("tenure_days")
    if n is None:
        return None
    return f"ordered on {_days(n)} so far" + (f", first {_ago(tenure)}" if tenure else "")


def _all_spend(name: str, remark: str, v: _Values, raises: bool) -> str | None:
    amount, n = v(name), v("n_orders")
    if amount is None:
        return None
    orders = f" in {_things(n, 'order')}" if n else ""
    return f"spent {_amount(amount) if amount else 'nothing'}{orders} so far{remark}"


def _capped_spend(v: _Values, raises: bool) -> str | None:
    if v("spend_amount") is not None:
        return _all_spend("spend_amount", "", v, raises)
    return _all_spend("capped_spend_amount", ", unusually large ones counted in part", v, raises)


def _tenure(v: _Values, raises: bool) -> str | None:
    tenure, n = v("tenure_days"), v("n_orders")
    if tenure is None:
        return None
    first = f"first ordered {_ago(tenure)}"
    if n is None:
        return first
    return f"{first}, no order since" if n == 1 else f"{first}, {_things(n, 'order')} so far"


# --- features that are said by their own value ---

_NO_PRODUCTS = "the products bought are not known"
_NO_DEPARTMENTS = "the departments bought from are not known"
_NO_DISCOUNT = "no discount is known"
_NO_CHANNEL = "the channels of orders are not known"


def _by_value(
    feature: str, write: Callable[[float], str], null: str | None = None
) -> dict[str, _Writer]:
    """Give what writes a sentence of the value alone, or `null` where it is not known."""

    def written(v: _Values, raises: bool) -> str | None:
        value = v(feature)
        return null if value is None else write(value)

    return {feature: written}


def _by_share(
    feature: str, some: str, *, none: str, every: str, null: str | None = None
) -> dict[str, _Writer]:
    """Give what writes a share: words for some of it (with {}), for none and for all of it."""

    def written(v: _Values, raises: bool) -> str | None:
        value = v(feature)
        if value is None:
            return null
        if value == 1 and v("n_orders") == 1:
            return every.replace("every order", "the only order")
        return none if value == 0 else every if value == 1 else some.format(_part(value))

    return {feature: written}


def _by_amount(feature: str, some: str, none: str, null: str | None = None) -> dict[str, _Writer]:
    """Give what writes an amount: words for some (with {}) and for none."""
    return _by_value(feature, lambda amount: some.format(_amount(amount)) if amount else none, null)


def _an_order(feature: str, word: str, null: str | None = None) -> dict[str, _Writer]:
    return _by_value(feature, lambda n: f"{_things(n, word, 1)} an order on average", null)


# --- rhythm ---


def _every(days: float) -> str:
    return "every day" if _rounded(days) == 1 else f"every {_days(days)}"


def _of_gaps(feature: str, write: Callable[[float], str]) -> dict[str, _Writer]:
    """Give what writes of the gaps between orders, which one order day does not have."""

    def written(v: _Values, raises: bool) -> str | None:
        value = v(feature)
        if value is not None:
            return write(value)
        return _one_day(v) or _ONE_DAY_ONLY  # the null rule

    return {feature: written}


def _few_days(v: _Values) -> str:
    """Say what the null rules of three order days say."""
    return _one_day(v) or f"has ordered on fewer than {counted(3, 'day')}"


def _unevenness(v: _Values, raises: bool) -> str | None:
    spread, mean = v("stddev_gap_days"), v("mean_gap_days")
    if spread is None:
        return _few_days(v)
    if mean is not None:
        give = f", give or take {_days(spread)}" if _rounded(spread) else ", very regularly"
        return f"orders {_every(mean)} on average{give}"
    if not _rounded(spread):
        return "orders at very regular intervals"
    return f"gaps between orders vary by about {_days(spread)}"


def _longest_gap(v: _Values, raises: bool) -> str | None:
    longest, usual = v("longest_gap_days"), _usual_gap(v)
    if longest is None:
        return _one_day(v) or _ONE_DAY_ONLY  # the null rule
    rest = f", usually orders {_every(usual)}" if usual is not None and usual < longest else ""
    return f"longest gap between orders so far {_days(longest)}{rest}"


def _gap_trend(v: _Values, raises: bool) -> str | None:
    trend = v("gap_trend")
    if trend is None:
        return _few_days(v)
    if not -1 < trend < 1:  # gaps last a day at least
        return None
    ratio = (1 + trend) / (1 - trend)
    if _is_same(ratio):
        return "later gaps between orders are about as long as earlier ones"
    return f"later gaps between orders are {_change(ratio, 'longer', 'shorter')} than earlier ones"


# --- variety ---

_VARIETY_WORDS = {
    "n_products": ("has bought", "different product", _NO_PRODUCTS),
    "n_departments": ("has bought from", "department", _NO_DEPARTMENTS),
}


def _bought_ever(stem: str, v: _Values, raises: bool) -> str | None:
    start, word, null = _VARIETY_WORDS[stem]
    n = v(stem)
    return null if n is None else f"{start} {_things(n, word)} so far"


def _bought_lately(stem: str, v: _Values, raises: bool) -> str | None:
    start, word, null = _VARIETY_WORDS[stem]
    n, ever = v(f"{stem}_{VARIETY_DAYS}d"), v(stem)
    if n is None:
        return null
    lately = f"{start} {_things(n, word)} {_last(VARIETY_DAYS)}"
    return lately if ever is None or ever <= n else f"{lately}, {_number(ever)} so far"


def _variety(stem: str) -> dict[str, _Writer]:
    return {
        stem: partial(_bought_ever, stem),
        f"{stem}_{VARIETY_DAYS}d": partial(_bought_lately, stem),
    }


_MOST_ENTROPY = math.log(1e6)  # no shop has as many departments


def _department_spread(v: _Values, raises: bool) -> str | None:
    entropy, n = v("department_entropy"), v("n_departments")
    if entropy is None:
        return _NO_DEPARTMENTS
    if entropy > _MOST_ENTROPY:
        return None
    if entropy == 0:
        return "has bought from one department only"
    # The exponential of the entropy: as many departments of equal share spread as much.
    equal = f"spread as over {_number(math.exp(entropy), 1)} equal ones"
    return f"has bought from {_things(n, 'department') if n else 'several departments'}, {equal}"


# --- visits, feedback, contacts ---


def _visit_length(seconds: float) -> str:
    is_long = seconds >= 90
    length = _things(seconds / 60, "minute") if is_long else _things(seconds, "second")
    return f"visits last {length} on average"


def _since(what: str, days: float) -> str:
    """Say when something was, of full days since that are 0 for yesterday."""
    return f"{what} {_ago(days + 1)}"


def _times(n: float) -> str:
    return "once" if n == 1 else f"{_number(n)} times"


def _feedback(n: float) -> str:
    return f"gave {f'feedback {_times(n)}' if n else 'no feedback'} {_last(FEEDBACK_DAYS)}"


def _complaints(v: _Values, raises: bool) -> str | None:
    n, since = v(f"n_complaints_{FEEDBACK_DAYS}d"), v("days_since_last_complaint")
    if n is None:
        return None
    complaints = f"{_things(n, 'complaint')} {_last(FEEDBACK_DAYS)}"
    return complaints if since is None or n == 0 else _since(f"{complaints}, the last", since)


def _contacted(n: float) -> str:
    return f"was {f'contacted {_times(n)}' if n else 'not contacted'} {_last(CONTACT_DAYS)}"


def _response(response: str, of_contacts: str) -> dict[str, _Writer]:
    """Give what writes a share of contacts: `of_contacts` has {} for how many of them."""
    contacts = f"contacts {_last(CONTACT_DAYS)}"
    return _by_share(
        f"{response}_contacts_share_{CONTACT_DAYS}d",
        of_contacts.format(f"{{}} of {contacts}"),
        none=of_contacts.format(f"no {contacts}"),
        every=of_contacts.format(f"all {contacts}"),
        null=f"was not contacted {_last(CONTACT_DAYS)}",  # the null rule
    )


# --- themes ---


def _windows(measure: _Measure) -> dict[str, _Writer]:
    stem, windows = measure.stem, measure.windows
    return {f"{stem}_{days}d": partial(_in_window, measure, days) for days in windows}


def _trends(measure: _Measure) -> dict[str, _Writer]:
    return {f"{measure.trend}_{days}d": partial(_trend, measure, days) for days in TREND_DAYS}


def _half_lives() -> dict[str, _Writer]:
    return {f"n_orders_half_life_{days}d": partial(_decayed, days) for days in HALF_LIFE_DAYS}


def _week_and_day() -> dict[str, _Writer]:
    whens = {day: f"on a {day.capitalize()}" for day in WEEKDAYS}
    whens |= {part: "at night" if part == "night" else f"in the {part}" for part in DAY_PARTS}
    writers: dict[str, _Writer] = {}
    for name, when in whens.items():
        writers |= _by_share(
            f"{name}_orders_share",
            f"{{}} of orders {when}",
            none=f"has never ordered {when}",
            every=f"every order was {when}",
        )
    return writers


_ALL = (
    Theme(
        "silence",
        "how long ago the last order was",
        {
            "days_since_last_order": _silence,
            "silence_over_median_gap": _silence_in_gaps,
            "longer_gaps_share": _longer_gaps,
        },
    ),
    Theme(
        "orders",
        "how often the customer orders",
        {
            "n_orders": _all_orders,
            "n_order_days": _all_order_days,
            **_windows(_ORDERS),
            **_windows(_ORDER_DAYS),
            **_half_lives(),
            **_trends(_ORDERS),
        },
    ),
    Theme(
        "spend",
        "how much the customer buys",
        {
            "spend_amount": partial(_all_spend, "spend_amount", ""),
            "net_spend_amount": partial(_all_spend, "net_spend_amount", ", returns taken off"),
            "capped_spend_amount": _capped_spend,
            **_windows(_SPEND),
            **_windows(_ITEMS),
            **_trends(_SPEND),
        },
    ),
    Theme(
        "basket",
        "how large orders are",
        {
            **_an_order("items_per_order", "item"),
            **_an_order("lines_per_order", "line"),
            **_an_order("products_per_order", "different product", _NO_PRODUCTS),
            **_by_amount(
                "spend_per_order",
                "spends {} an order on average",
                "spends nothing an order on average",
            ),
            **_by_amount(
                "median_order_amount",
                "usually spends {} an order",
                "usually spends nothing",
                "no order with an amount is known",
            ),
            **_by_share(
                "unusual_orders_share",
                "{} of orders were unusually large or small",
                none="no order was unusually large or small",
                every="every order was unusually large or small",
                null="too few different orders to tell unusual ones",
            ),
        },
    ),
    Theme(
        "rhythm",
        "how regularly the customer orders",
        {
            **_of_gaps("median_gap_days", lambda days: f"usually orders {_every(days)}"),
            **_of_gaps("mean_gap_days", lambda days: f"orders {_every(days)} on average"),
            "stddev_gap_days": _unevenness,
            "longest_gap_days": _longest_gap,
            "gap_trend": _gap_trend,
            **_by_share(
                "empty_windows_share",
                "{} of past periods as long as the forecast went without an order",
                none="no past period as long as the forecast went without an order",
                every="every past period as long as the forecast went without an order",
                null="is a new customer",  # the null rule: the first order is not a horizon old
            ),
        },
    ),
    Theme(
        "variety",
        "how many different things the customer buys",
        {
            **_variety("n_products"),
            **_variety("n_departments"),
            **_by_share(
                "repeat_products_share",
                "{} of products were bought in more than one order",
                none="no product was bought in more than one order",
                every="every product was bought in more than one order",
                null=_NO_PRODUCTS,
            ),
            "department_entropy": _department_spread,
        },
    ),
    Theme(
        "discounts",
        "what was taken off the prices",
        {
            **_by_amount(
                "discount_amount", "discounts of {} so far", "no discounts so far", _NO_DISCOUNT
            ),
            **_by_share(
                "discount_share",
                "discounts took {} off so far",
                none="no discounts so far",
                every="discounts took everything off so far",
                null=_NO_DISCOUNT,
            ),
            **_by_share(
                "discounted_orders_share",
                "{} of orders had a discount",
                none="no order had a discount",
                every="every order had a discount",
                null=_NO_DISCOUNT,
            ),
        },
    ),
    Theme(
        "returns",
        "what came back",
        {
            **_by_amount("returned_amount", "has returned goods for {}", "has returned nothing"),
            **_by_share(
                "returned_share",
                "has returned {} of the amount bought",
                none="has returned nothing of what was bought",
                every="has returned all that was bought",
                null="has paid nothing so far",  # the null rule
            ),
            **_by_amount(
                "orphan_returned_amount",
                "has returned goods for {} whose purchase is not on record",
                "no returns without a purchase on record",
            ),
        },
    ),
    Theme("tenure", "how long the customer has been one", {"tenure_days": _tenure}),
    Theme("weekday_and_hour", "when in the week the customer orders", _week_and_day()),
    Theme(
        "channels",
        "the channels that the customer orders through",
        {
            **_by_value(
                "n_channels", lambda n: f"has ordered through {_things(n, 'channel')}", _NO_CHANNEL
            ),
            **_by_share(
                "main_channel_share",
                "{} of orders through the main channel",
                none="no order through the main channel",
                every="every order was through the same channel",
                null=_NO_CHANNEL,
            ),
        },
    ),
    Theme(
        "visits",
        "how often the customer visits",
        {
            **_windows(_VISITS),
            **_by_value(
                "days_since_last_visit", partial(_since, "last visited"), "no visit is known"
            ),
            **_by_value("mean_visit_seconds", _visit_length, "the length of visits is not known"),
        },
    ),
    Theme(
        "feedback",
        "what the customer says",
        {
            **_by_value(f"n_feedback_{FEEDBACK_DAYS}d", _feedback),
            f"n_complaints_{FEEDBACK_DAYS}d": _complaints,
            **_by_value(
                "days_since_last_complaint",
                partial(_since, "last complained"),
                "no complaint is known",
            ),
            **_by_value(
                "mean_rating",
                lambda score: f"gives a rating of {_number(score, 1)} on average",
                "no rating is known",
            ),
            **_by_value(
                "mean_csat_score",
                lambda score: f"satisfaction {_number(score, 1)} of 5 on average",
                "no answer on satisfaction is known",
            ),
            **_by_value(
                "last_nps_score",
                lambda score: f"would recommend us: {_number(score)} of 10 when last asked",
                "no answer on recommending us is known",
            ),
        },
    ),
    Theme(
        "contacts",
        "how often the customer is contacted, and how it responds",
        {
            **_by_value(f"n_contacts_{CONTACT_DAYS}d", _contacted),
            **_by_value(
                "days_since_last_contact",
                partial(_since, "was last contacted"),
                "no contact is known",
            ),
            **_response("opened", "opened {}"),
            **_response("clicked", "clicked in {}"),
            **_response("converted", "{} succeeded"),
        },
    ),
)

THEMES: Mapping[str, Theme] = {theme.name: theme for theme in _ALL}
_THEME_OF = {feature: theme.name for theme in _ALL for feature in theme.writers}
