"""Numbers as people read them: few digits, thin spaces, units."""

import math

NARROW = "\u202f"
"""Narrow no-break space: between thousands, and before a unit."""

NONE = "–"
NOT_A_NUMBER = "not a number"


def count(value: float | None) -> str:
    """A whole number with its thousands set apart.

    >>> count(1234567).replace(NARROW, " ")
    '1 234 567'
    """
    return NONE if value is None else f"{value:,.0f}".replace(",", NARROW)


def percent(share: float | None, digits: int | None = None) -> str:
    """A share in percent, with the digits that matter, or with as many decimals as asked for.

    >>> [percent(share).replace(NARROW, " ") for share in (1.0417, 0.2345, 0.0031, 0.00001, 0.0, float("nan"))]
    ['104 %', '23.4 %', '0.31 %', '< 0.01 %', '0 %', 'not a number']
    """
    if share is None:
        return NONE
    value = 100 * share
    if not math.isfinite(value):
        return NOT_A_NUMBER
    if 0 < abs(value) < 0.01:
        return f"<{NARROW}0.01{NARROW}%"
    if value == 0:
        return f"0{NARROW}%"
    if digits is None:
        digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 1 else 2
    return f"{_signed(value, digits)}{NARROW}%"


def decimal(value: float | None, digits: int = 3) -> str:
    """A measured figure with a fixed number of decimals.

    >>> [decimal(value).replace(NARROW, " ") for value in (1.20512, 0.00001, 0.0, None)]
    ['1.205', '< 0.001', '0', '–']
    """
    if value is None:
        return NONE
    if not math.isfinite(value):
        return NOT_A_NUMBER
    least = 10.0**-digits
    if 0 < value < least / 2:
        return f"<{NARROW}{least:.{digits}f}"
    return _signed(value, digits) if value else "0"


def signed(value: float | None, digits: int = 3) -> str:
    """A change, with its sign.

    >>> [signed(value) for value in (0.0123, -0.25, 0.0, None)]
    ['+0.012', '−0.250', '0', '–']
    """
    if value is None:
        return NONE
    if not math.isfinite(value):
        return NOT_A_NUMBER
    text = _signed(value, digits) if value else "0"
    return text if value <= 0 or float(text) == 0 else f"+{text}"


def points(share: float | None, digits: int = 1) -> str:
    """A change of a share in percentage points, with its sign.

    >>> [points(value).replace(NARROW, " ") for value in (0.0123, -0.25, 0.0, None)]
    ['+1.2 %', '−25.0 %', '0 %', '–']
    """
    if share is None or not math.isfinite(share):
        return signed(share)
    return f"{signed(100 * share, digits)}{NARROW}%"


def size(value: float | None) -> str:
    """Bytes in the binary unit that leaves one to three digits before the point.

    >>> [size(value).replace(NARROW, " ") for value in (512, 4_200_000, 17e9)]
    ['512 B', '4.01 MiB', '15.8 GiB']
    """
    if value is None:
        return NONE
    units = ("B", "KiB", "MiB", "GiB", "TiB")
    power = min(int(math.log(max(value, 1), 1024)), len(units) - 1)
    scaled = value / 1024**power
    digits = 0 if power == 0 or scaled >= 100 else 1 if scaled >= 10 else 2
    return f"{scaled:.{digits}f}{NARROW}{units[power]}"


def duration(seconds: float | None) -> str:
    """A time in the units that a person would say.

    >>> [duration(value).replace(NARROW, " ") for value in (0.0314, 4.2, 59.7, 200, 7500)]
    ['0.03 s', '4.2 s', '1 min', '3 min 20 s', '2 h 5 min']
    """
    if seconds is None:
        return NONE
    if not math.isfinite(seconds):
        return NOT_A_NUMBER
    if seconds < 59.5:
        digits = 2 if seconds < 1 else 1 if seconds < 10 else 0
        return f"{seconds:.{digits}f}{NARROW}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min")] if hours else [(minutes, "min"), (rest, "s")]
    return " ".join(f"{value}{NARROW}{unit}" for value, unit in parts if value)


def _signed(value: float, digits: int) -> str:
    # A rounded −0.0 is 0; the minus is the typographic one.
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")
