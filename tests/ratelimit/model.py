"""model.py - each algorithm's law in exact rational arithmetic, written from its
definition and sharing nothing with what is tested.

Times are integers of microseconds.  A limit is (algorithm, rate, per, burst).
"""
from fractions import Fraction


class Bucket:
    """Token bucket: tokens flow in at rate / per, up to burst."""

    def __init__(self, rate, per, burst):
        self.flow, self.burst = Fraction(rate, per), burst
        self.tokens, self.at = Fraction(burst), None

    def _flow_in(self, now):
        if self.at is not None:
            self.tokens = min(Fraction(self.burst), self.tokens + self.flow * max(0, now - self.at))
        self.at = now

    def take(self, now, cost):
        self._flow_in(now)
        if cost > self.tokens:
            return False
        self.tokens -= cost
        return True

    def give(self, now, cost):
        self._flow_in(now)
        self.tokens = min(Fraction(self.burst), self.tokens + cost)

    def left(self, now):
        self._flow_in(now)
        return self.tokens // 1

    def full_at(self, now):
        self._flow_in(now)
        return now + (self.burst - self.tokens) / self.flow

    def wait(self, now, cost):
        """Until cost passes, if nobody else asks."""
        self._flow_in(now)
        return max(Fraction(0), (cost - self.tokens) / self.flow)


class FixedWindow:
    """At most rate in each window of the clock."""

    def __init__(self, rate, per, _burst=None):
        self.rate, self.per, self.window, self.used = rate, per, None, 0

    def _turn(self, now):
        if self.window != now // self.per:
            self.window, self.used = now // self.per, 0

    def take(self, now, cost):
        self._turn(now)
        if self.used + cost > self.rate:
            return False
        self.used += cost
        return True

    def give(self, now, cost):
        self._turn(now)
        self.used = max(0, self.used - cost)

    def left(self, now):
        self._turn(now)
        return self.rate - self.used

    def full_at(self, now):
        self._turn(now)
        return (self.window + 1) * self.per if self.used else now

    def wait(self, now, cost):
        self._turn(now)
        return Fraction((self.window + 1) * self.per - now if self.used + cost > self.rate else 0)


class SlidingWindow(FixedWindow):
    """Two windows, the one before weighed by how much of it lies within per."""

    def __init__(self, rate, per, _burst=None):
        super().__init__(rate, per)
        self.before = 0

    def _turn(self, now):
        window = now // self.per
        if self.window != window:
            self.before = self.used if self.window == window - 1 else 0
            self.window, self.used = window, 0

    def _weighed(self, now):
        self._turn(now)
        return self.used + Fraction(self.before * (self.per - now % self.per), self.per)

    def take(self, now, cost):
        if cost and self._weighed(now) + cost > self.rate:
            return False
        self._turn(now)
        self.used += cost
        return True

    def give(self, now, cost):
        self._turn(now)
        first = min(cost, self.used)
        self.used -= first
        self.before = max(0, self.before - (cost - first))

    def left(self, now):
        return max(Fraction(0), self.rate - self._weighed(now)) // 1

    def full_at(self, now):
        self._turn(now)
        return (self.window + 2) * self.per if self.used else (self.window + 1) * self.per if self.before else now

    def wait(self, now, cost):
        """By looking: the first moment at which it would fit."""
        self._turn(now)
        if self._weighed(now) + cost <= self.rate:
            return Fraction(0)
        end = (self.window + 1) * self.per
        free = self.rate - self.used - cost
        if free >= 0 and self.before:
            at = end - Fraction(free * self.per, self.before)
            if at <= end:
                return max(Fraction(0), at - now)
        if self.used + 0 == 0 or self.used + cost <= self.rate:
            return Fraction(end - now)
        return end + self.per - Fraction((self.rate - cost) * self.per, self.used) - now


class SlidingLog:
    """Every call is remembered for per."""

    def __init__(self, rate, per, _burst=None):
        self.rate, self.per, self.calls = rate, per, []

    def _forget(self, now):
        self.calls = [call for call in self.calls if call[0] > now - self.per]

    def used(self, now):
        self._forget(now)
        return sum(cost for _, cost in self.calls)

    def take(self, now, cost):
        if self.used(now) + cost > self.rate:
            return False
        if cost:
            self.calls.append((now, cost))
        return True

    def give(self, now, cost):
        self._forget(now)
        while cost and self.calls:
            at, own = self.calls.pop()
            taken = min(own, cost)
            cost -= taken
            if own > taken:
                self.calls.append((at, own - taken))

    def left(self, now):
        return self.rate - self.used(now)

    def full_at(self, now):
        self._forget(now)
        return self.calls[-1][0] + self.per if self.calls else now

    def wait(self, now, cost):
        used = self.used(now)
        for at, own in self.calls:
            if used + cost <= self.rate:
                break
            used -= own
            last = at
        else:
            if used + cost > self.rate:
                raise AssertionError("never")
        return Fraction(0) if self.used(now) + cost <= self.rate else Fraction(last + self.per - now)


MODELS = {"token_bucket": Bucket, "gcra": Bucket, "fixed_window": FixedWindow, "sliding_window": SlidingWindow,
          "sliding_log": SlidingLog}


def envelope(history, rate, per, burst):
    """
    The worst excess of a history [(time, cost)] over burst + rate * dt of any of
    its intervals; not above 0 where the law was kept.
    """
    flow, worst, least = Fraction(rate, per), None, None
    taken = 0
    for now, cost in history:
        before = taken - flow * now  # as of just before this one
        least = before if least is None else min(least, before)
        taken += cost
        excess = taken - flow * now - least - burst
        worst = excess if worst is None else max(worst, excess)
    return worst
