"""Stop strings, found in the text whichever tokens it came in."""

from collections.abc import Sequence


class StopScanner:
    """Passes a stream of text on until the first stop string, which is not passed on.

    Text that may yet turn out to begin a stop string is held back until it is decided.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""
        self.found: str | None = None

    def push(self, text: str) -> str:
        """The text that may be shown now that `text` has come; sets `found` at the first stop string."""
        if not self._stops:
            return text
        self._held += text
        hits = [(at + len(stop), at, stop) for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if hits:
            # The first to be complete, as if the text had come one character at a time.
            _, at, self.found = min(hits)
            shown, self._held = self._held[:at], ""
            return shown
        keep = max(_overlap(self._held, stop) for stop in self._stops)
        shown = self._held[: len(self._held) - keep]
        self._held = self._held[len(self._held) - keep :]
        return shown

    def close(self) -> str:
        """What was held back, once no more text can come."""
        shown, self._held = self._held, ""
        return shown


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that is a beginning of `stop`, short of all of it."""
    for length in range(min(len(text), len(stop) - 1), 0, -1):
        if text.endswith(stop[:length]):
            return length
    return 0
