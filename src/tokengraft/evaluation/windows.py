"""Text cut into windows by bytes, so that models with other tokenizers are asked about the same stretches of text."""

from collections.abc import Iterable, Iterator, Sequence


def byte_windows(texts: Iterable[str], window_bytes: int = 1024) -> Iterator[str]:
    r"""Pieces of each text of about `window_bytes` bytes of UTF-8, cut after a line end if it can be; nothing is lost.

    >>> list(byte_windows(["ab\ncd\nef"], 4))
    ['ab\n', 'cd\n', 'ef']
    >>> list(byte_windows(["häh"], 2))
    ['h', 'ä', 'h']
    """
    for text in texts:
        data = text.encode("utf-8")
        start = 0
        while start < len(data):
            end = _cut(data, start, min(start + window_bytes, len(data)))
            yield data[start:end].decode("utf-8")
            start = end


def _cut(data: bytes, start: int, end: int) -> int:
    if end == len(data):
        return end
    newline = data.rfind(b"\n", start, end)
    if newline >= start:
        return newline + 1
    while end > start and data[end] & 0xC0 == 0x80:
        end -= 1
    if end > start:
        return end
    end = start + 1
    while end < len(data) and data[end] & 0xC0 == 0x80:
        end += 1
    return end


def spread(windows: Sequence[str], max_bytes: int) -> list[str]:
    """Windows of at most `max_bytes` bytes together (one at least), evenly spaced: every part of the text has a say.

    >>> spread(["aa", "bb", "cc", "dd"], 4)
    ['aa', 'cc']
    """
    return [windows[place] for place in spread_places([len(window.encode("utf-8")) for window in windows], max_bytes)]


def spread_places(sizes: Sequence[int], max_bytes: int) -> list[int]:
    """Places of the windows that `spread` takes, of windows of these sizes in bytes.

    >>> spread_places([2, 2, 2, 2], 4)
    [0, 2]
    """
    stride = max(1.0, sum(sizes) / max_bytes)
    chosen: list[int] = []
    used = 0
    for number in range(int(len(sizes) / stride) + 1):
        place = int(number * stride)
        if place >= len(sizes) or (chosen and used + sizes[place] > max_bytes):
            break
        chosen.append(place)
        used += sizes[place]
    return chosen
