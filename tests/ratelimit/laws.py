"""laws.py - what each algorithm may admit, of calls known by when they were sent
and answered: a law is broken when no choice of moments within keeps it.

A call is (sent, answered, cost) in whole microseconds; all that lie within an
interval of time were admitted in it, whenever that was.
"""
from collections import defaultdict


class Sums:
    """Numbers by place; a sum added to all up to one; the greatest of all."""

    def __init__(self, values):
        self.size = 1
        while self.size < len(values):
            self.size *= 2
        low = min(values)
        self.most = [low] * (2 * self.size)
        self.most[self.size:self.size + len(values)] = values
        self.more = [0] * (2 * self.size)
        for i in range(self.size - 1, 0, -1):
            self.most[i] = max(self.most[2 * i], self.most[2 * i + 1])

    def add(self, last, value):
        """To the places 0 to last."""
        left, right = self.size, self.size + last + 1
        touched = []
        while left < right:
            if left & 1:
                self._raise(left, value)
                touched.append(left)
                left += 1
            if right & 1:
                right -= 1
                self._raise(right, value)
                touched.append(right)
            left //= 2
            right //= 2
        for i in touched:
            while i > 1:
                i //= 2
                self.most[i] = max(self.most[2 * i], self.most[2 * i + 1]) + self.more[i]

    def _raise(self, i, value):
        self.most[i] += value
        self.more[i] += value

    @property
    def greatest(self):
        return self.most[1]


def bucket_excess(calls, rate, per, burst):
    """The most tokens above burst + rate * dt in any interval; a law kept: 0 or less."""
    if not calls:
        return 0
    places = sorted({sent for sent, _, _ in calls})
    at = {sent: i for i, sent in enumerate(places)}
    far = rate * (max(call[1] for call in calls) - places[0] + 1) + per * sum(call[2] for call in calls)
    sums, worst, begun = Sums([rate * sent - far for sent in places]), None, set()
    for sent, answered, cost in sorted(calls, key=lambda call: call[1]):
        if sent not in begun:  # an interval begins with a call that lies in it
            begun.add(sent)
            sums.add(at[sent], far)
            sums.add(at[sent] - 1, -far)
        sums.add(at[sent], cost * per)
        excess = sums.greatest - rate * answered - burst * per
        worst = excess if worst is None else max(worst, excess)
    return worst / per


def window_excess(calls, rate, per, _burst=None):
    """Fixed windows of the clock: those that lie within one are at most rate."""
    used = defaultdict(int)
    for sent, answered, cost in calls:
        if sent // per == answered // per:
            used[sent // per] += cost
    return max(used.values(), default=0) - rate


def weighed_excess(calls, rate, per, _burst=None):
    """Sliding windows: the one before counts for as much of it as lies within per."""
    windows = defaultdict(list)
    for sent, answered, cost in calls:
        if sent // per == answered // per:
            windows[sent // per].append((answered, cost))
    worst = -rate
    for window, own in windows.items():
        before, used = sum(cost for _, cost in windows.get(window - 1, ())), 0
        for answered, cost in sorted(own):
            used += cost
            worst = max(worst, used + before * (per - answered % per) / per - rate)
    return worst


def log_excess(calls, rate, per, _burst=None):
    """A log: those that lie within less than per are at most rate."""
    worst = -rate
    for start in sorted({sent for sent, _, _ in calls}):
        within = sum(cost for sent, answered, cost in calls if sent >= start and answered < start + per)
        worst = max(worst, within - rate)
    return worst


EXCESS = {"token_bucket": bucket_excess, "gcra": bucket_excess, "fixed_window": window_excess,
          "sliding_window": weighed_excess, "sliding_log": log_excess}
