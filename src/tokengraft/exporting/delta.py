"""What must be done to one JSON document to get another, so that only that is kept.

A tokenizer with new tokens repeats all of its base's vocabulary and merges. Order is part of the result: the document
that comes back is written to the same bytes.
"""

from typing import Any


def difference(before: Any, after: Any) -> dict[str, Any]:
    """The change from `before` to `after`, smaller than `after` where both begin alike.

    >>> difference({"a": 1, "merges": [1, 2]}, {"a": 1, "merges": [1, 2, 3]})
    {'members': {'merges': {'append': [3]}}}
    """
    if isinstance(before, dict) and isinstance(after, dict) and list(after)[: len(before)] == list(before):
        changed = {
            key: difference(before[key], value) if key in before else {"value": value}
            for key, value in after.items()
            if key not in before or not _same(before[key], value)
        }
        return {"members": changed}
    if isinstance(before, list) and isinstance(after, list) and _same(after[: len(before)], before):
        return {"append": after[len(before) :]}
    return {"value": after}


def applied(before: Any, change: dict[str, Any]) -> Any:
    """The document that `difference` was asked about.

    >>> applied({"a": 1, "merges": [1, 2]}, {"members": {"merges": {"append": [3]}}})
    {'a': 1, 'merges': [1, 2, 3]}
    """
    if "value" in change:
        return change["value"]
    if "append" in change:
        return [*before, *change["append"]]
    result = dict(before)
    for key, part in change["members"].items():
        result[key] = applied(before.get(key), part)
    return result


def _same(one: Any, other: Any) -> bool:
    """Equal, and written alike: 1, 1.0 and True are three values, 0.0 and -0.0 two, and members have their order."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    # A NaN is not equal to itself, and 0.0 is equal to -0.0; what is written decides for both.
    return repr(one) == repr(other) if isinstance(one, float) else bool(one == other)
