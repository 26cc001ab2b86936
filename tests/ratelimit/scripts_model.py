"""scripts_model.py - the limiter's scripts in a real Redis, decision by decision
beside the model, on a clock that the test turns.

The clock stands in a key: the script's TIME is replaced by a look at it, and
nothing else of it.  A first state that Redis would have let end by then is taken away.
"""
import itertools
import math
import os
import random
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
sys.path.insert(0, os.path.dirname(__file__))
# pylint: disable=wrong-import-position
from lab import SOAK, TOP, redis, run, same  # noqa: E402
from model import MODELS, envelope  # noqa: E402

EPOCH = 4102444800 * 10**6  # far from now: Redis itself lets nothing end
STEPS = 20000 if SOAK else 1500
KINDS = {"token_bucket": "b", "gcra": "b", "fixed_window": "f", "sliding_window": "s", "sliding_log": "l"}
LIMITS = (  # rate, per (us), burst
    (1, 10**6, 1), (5, 10**6, 10), (3, 10**6, 3), (7, 60 * 10**6, 1), (10, 60 * 10**6, 100), (1000, 10**6, 50),
    (1001, 10**6, 7), (10**6, 10**6, 1000), (5 * 10**6, 10**6, 3), (999999937, 10**6, 9), (1, 86400 * 10**6, 3),
    (1234567, 86400 * 10**6, 1234567), (3, 250000, 2), (10, 7 * 1000, 4))


def source(name):
    with open(os.path.join(TOP, "common", name), encoding="utf-8") as file:
        text = file.read()
    text = re.sub(r"^-- include (\S+)\n", lambda m: source(m[1]), text, flags=re.M)
    return text


class Script:
    def __init__(self, store, name):
        text, count = re.subn(r"redis\.call\('TIME'\)", "{redis.call('GET', 'clock:s'), redis.call('GET', 'clock:us')}",
                              source(name))
        same(count, 1)
        self.store, self.sha = store, store.cli("SCRIPT", "LOAD", text)

    def __call__(self, now, keys, *args):
        self.store.cli("MSET", "clock:s", now // 10**6, "clock:us", now % 10**6)
        for key in keys[:1]:
            ends = self.store.cli("PEXPIRETIME", key)
            if 0 <= ends and ends * 1000 <= now:
                self.store.cli("DEL", key)
        return self.store.cli("EVALSHA", self.sha, len(keys), *keys, *args)


def spec(algorithm, rate, per, burst, version=1, shadow=0, loose=0):
    """The nine arguments of a limit."""
    kind = KINDS[algorithm]
    if kind != "b":
        return [kind, shadow, version, loose, per, rate, 0, 0, 0]
    divisor = math.gcd(rate, per)
    parts, whole = rate // divisor, per // divisor
    room = burst * whole
    return [kind, shadow, version, loose, whole // parts, whole % parts, parts, room // parts, room % parts]


def number_of(kind):
    return max(1, STEPS // len(LIMITS) // (1 if kind == "b" else 2))


def gaps(rng, per, rate, burst):
    """Bursts, trickles, pauses; now and then to the very edge."""
    token = max(1, per // rate)
    return rng.choice((0, 0, 0, 1, token - 1, token, token + 1, rng.randrange(token * 3 + 2),
                       rng.randrange(per + 1), per - 1, per, per * 2 + 1, token * burst))


def seeded():
    seed = random.randrange(1 << 32)
    print("seed", seed)
    return random.Random(seed)


def by_limit_check(store):
    script = Script(store, "limit_check.lua")
    return lambda now, key, args, costs: script(now, [key], 1, len(costs), "", "", *args, *costs)


def by_limit_buckets(store):
    """Each check a call; the answers of several, as limit_check.lua's would be."""
    script = Script(store, "limit_buckets.lua")

    def ask(now, key, args, costs):
        answers = [[int(n) for n in script(now, [key], cost, *args).split(" ")] for cost in costs]
        assert all(answer[0] == now and len(answer) == 6 for answer in answers), answers
        return [now] + [n for answer in answers for n in answer[1:]]
    return ask


def compare(store, algorithm, limit, by=by_limit_check):
    rate, per, burst = limit
    if KINDS[algorithm] == "l" and rate > 10000:
        return
    burst = burst if KINDS[algorithm] == "b" else rate
    check, rng = by(store), seeded()
    model, args, now, key = MODELS[algorithm](rate, per, burst), spec(algorithm, *limit[:2], burst), EPOCH, "state"
    store.cli("DEL", key)
    history = []
    for _ in range(number_of(KINDS[algorithm])):
        now += gaps(rng, per, rate, burst)
        costs = [rng.choice((1, 1, 1, 0, 2, rng.randrange(1, burst + 1), burst)) for _ in range(rng.choice((1, 1, 3)))]
        costs = [min(cost, burst) for cost in costs]
        reply = check(now, key, args, costs)
        same(reply[0], now)
        for i, cost in enumerate(costs):
            passed, fits, *state = reply[1 + 5 * i:6 + 5 * i]
            wanted = model.take(now, cost)
            same((passed, fits), (wanted, wanted), (algorithm, limit, now, cost, state))
            if wanted and cost:
                history.append((now, cost))
        full = model.full_at(now)
        ends = store.cli("PEXPIRETIME", key)
        if full > now:
            assert ends * 1000 >= full, ("ends early", ends, full)
            assert ends * 1000 <= full + per + 2000, ("ends late", ends, full)
    if KINDS[algorithm] == "b":
        assert envelope(history, rate, per, burst) <= 0
    same(len(history) > 0, True)


def test_token_bucket_decides_as_its_law(redis):
    for limit in LIMITS:
        compare(redis, "token_bucket", limit)


def test_one_check_of_a_bucket_decides_as_its_law(redis):
    for limit in LIMITS:
        compare(redis, "token_bucket", limit, by_limit_buckets)


def test_one_check_leaves_states_that_are_held_or_of_another_version(redis):
    plain, lease = Script(redis, "limit_buckets.lua"), Script(redis, "limit_lease.lua")
    limit = spec("token_bucket", 5, 10**6, 10)
    lease(EPOCH, ["state"], *limit, "w1", 1, 0, 0, 0, 4, 1, 1000)
    for args in (limit, spec("token_bucket", 5, 10**6, 10, version=2)):
        before = redis.cli("GET", "state")
        same((plain(EPOCH, ["state"], 1, *args), redis.cli("GET", "state")), (None, before))
    redis.cli("SET", "state", "1 %d 0" % EPOCH)
    same(plain(EPOCH, ["state"], 1, *spec("token_bucket", 5, 10**6, 10, version=2)), None)
    same(plain(EPOCH, ["state"], 1, *limit), "%d 1 1 %d 0 0" % (EPOCH, EPOCH + 200000))
    redis.cli("RPUSH", "log", "0 0 1", "%d 1 1" % EPOCH)
    same(plain(EPOCH, ["log"], 1, *limit), None)


def test_one_check_of_a_shadow_passes_and_tells(redis):
    plain, args = Script(redis, "limit_buckets.lua"), spec("token_bucket", 1, 10**6, 1, shadow=1)
    same(plain(EPOCH, ["state"], 1, *args), "%d 1 1 %d 0 0" % (EPOCH, EPOCH + 10**6))
    same(plain(EPOCH, ["state"], 1, *args), "%d 1 0 %d 0 0" % (EPOCH, EPOCH + 10**6))


def test_one_check_after_the_clock_stepped_back_finds_an_empty_bucket(redis):
    plain, args, back = Script(redis, "limit_buckets.lua"), spec("token_bucket", 1, 10**6, 2), EPOCH - 10**9
    plain(EPOCH, ["state"], 1, *args)
    same(plain(back, ["state"], 1, *args), "%d 0 0 %d 0 0" % (back, back + 2 * 10**6))
    same(plain(back + 10**6, ["state"], 1, *args), "%d 1 1 %d 0 0" % (back + 10**6, back + 3 * 10**6))


def test_checks_of_several_buckets_are_those_of_any_limits(redis):
    """Some fit and some do not, of some is nothing known, and one may be a shadow."""
    plain, check, rng, now = Script(redis, "limit_buckets.lua"), Script(redis, "limit_check.lua"), seeded(), EPOCH
    limits = [spec("token_bucket", rate, per, burst, shadow=int(i == 3))
              for i, (rate, per, burst) in enumerate(LIMITS[4:8])]
    redis.cli("FLUSHALL")
    passed = []
    for _ in range(number_of("b")):
        now += rng.choice((0, 1, 10**3, 10**6, 10**8))
        n = rng.randrange(2, 5)
        mine = rng.sample(range(4), n)
        costs = [rng.choice((0, 1, 1, 2, 7)) for _ in mine]
        args = [arg for i in mine for arg in limits[i]]
        wanted = check(now, ["any%d" % i for i in mine], n, 1, "", "", *args, *costs)
        got = plain(now, ["plain%d" % i for i in mine], *costs, *args)
        same([int(word) for word in got.split(" ")], wanted, (mine, costs))
        for i in mine:
            same(redis.cli("GET", "plain%d" % i), redis.cli("GET", "any%d" % i))
            same(redis.cli("PEXPIRETIME", "plain%d" % i), redis.cli("PEXPIRETIME", "any%d" % i))
        passed.append(wanted[1])
    same(set(passed), {0, 1})


def test_a_log_among_several_buckets_is_left(redis):
    plain, args = Script(redis, "limit_buckets.lua"), spec("token_bucket", 5, 10**6, 10)
    redis.cli("RPUSH", "log", "0 0 1", "%d 1 1" % EPOCH)
    for keys in (("log", "bucket"), ("bucket", "log"), ("bucket", "none", "log")):
        same(plain(EPOCH, keys, *[1] * len(keys), *args * len(keys)), None)
        same((redis.cli("LLEN", "log"), redis.cli("EXISTS", "bucket", "none")), (2, 0))


def test_fixed_window_decides_as_its_law(redis):
    for limit in LIMITS:
        compare(redis, "fixed_window", limit)


def test_sliding_window_decides_as_its_law(redis):
    for limit in LIMITS:
        compare(redis, "sliding_window", limit)


def test_sliding_log_decides_as_its_law(redis):
    for limit in LIMITS:
        compare(redis, "sliding_log", limit)


def test_several_limits_all_pass_or_none_is_charged(redis):
    check, rng = Script(redis, "limit_check.lua"), seeded()
    limits = [("token_bucket", 5, 10**6, 10), ("fixed_window", 8, 10**6, 8), ("sliding_log", 6, 2 * 10**6, 6),
              ("sliding_window", 9, 10**6, 9), ("token_bucket", 1, 10**6, 20)]
    models = [MODELS[a](*numbers) for a, *numbers in limits]
    keys, now = ["state:%d" % i for i in range(len(limits))], EPOCH
    args = [value for limit in limits for value in spec(*limit)]
    for _ in range(STEPS // 3):
        now += rng.choice((0, 0, 1000, 100000, 500000))
        costs = [rng.choice((0, 1, 1, 2, 5)) for _ in limits]
        reply = check(now, keys, len(limits), 1, "", "", *args, *costs)
        # Whether one passes alone is what a model without the call would say.
        alone = [cost == 0 or m.left(now) >= cost for m, cost in zip(models, costs)]
        same(reply[1], int(all(alone)), (costs, alone))
        same([reply[2 + 4 * i] for i in range(len(limits))], [int(a) for a in alone])
        if all(alone):
            for m, cost in zip(models, costs):
                assert m.take(now, cost)


def test_shadow_limit_never_denies_and_is_charged_apart(redis):
    check, now = Script(redis, "limit_check.lua"), EPOCH
    args = spec("token_bucket", 1, 10**6, 10) + spec("token_bucket", 1, 10**6, 2, shadow=1)
    seen = [check(now, ["a", "b"], 2, 1, "", "", *args, 1, 1) for _ in range(11)]
    same([reply[1] for reply in seen], [1] * 10 + [0])
    same([reply[6] for reply in seen], [1, 1] + [0] * 9)


def test_refund_never_fills_above_the_brim_and_counts_once(redis):
    check, give, rng = Script(redis, "limit_check.lua"), Script(redis, "limit_give.lua"), seeded()
    for algorithm in MODELS:
        rate, per, burst = 5, 10**6, 10 if KINDS[algorithm] == "b" else 5
        model, args, now, key = MODELS[algorithm](rate, per, burst), spec(algorithm, rate, per, burst), EPOCH, "g:" + algorithm
        for n in range(STEPS // 5):
            now += rng.choice((0, 0, 1, 200000, 123456, 999999, 10**6))
            cost = rng.randrange(1, burst + 1)
            if rng.random() < 0.6:
                reply = check(now, [key], 1, 1, "", "", *args, cost)
                same(reply[1], int(model.take(now, cost)), (algorithm, now))
                continue
            for attempt in range(rng.choice((1, 2))):
                reply = give(now, [key, "id:%s:%d" % (algorithm, n)], *args, cost, "i", 86400000, "", "wake")
                same(reply[1], int(attempt == 0))
            model.give(now, cost)


def test_clock_that_steps_back_empties_a_bucket_at_the_worst(redis):
    check = Script(redis, "limit_check.lua")
    args, now = spec("token_bucket", 10, 10**6, 10), EPOCH + 10**9
    same(check(now, ["c"], 1, 1, "", "", *args, 1)[1], 1)
    now -= 3600 * 10**6
    same(check(now, ["c"], 1, 1, "", "", *args, 1)[1], 0)  # empty, not lost for an hour
    same([check(now + 10**5 * i, ["c"], 1, 1, "", "", *args, 1)[1] for i in range(1, 6)], [1] * 5)
    for algorithm in ("fixed_window", "sliding_window", "sliding_log"):
        args, key = spec(algorithm, 3, 10**6, 3), "back:" + algorithm
        same([check(EPOCH + 10**9, [key], 1, 1, "", "", *args, 1)[1] for _ in range(4)], [1, 1, 1, 0])
        same(check(EPOCH, [key], 1, 1, "", "", *args, 1)[1], 0, algorithm)  # never more for it
        later = EPOCH + (1 if algorithm != "sliding_window" else 2) * 10**6
        same(check(later, [key], 1, 1, "", "", *args, 1)[1], 1, algorithm)  # nor for long


def test_state_of_another_version_is_said_not_used(redis):
    check = Script(redis, "limit_check.lua")
    for algorithm in MODELS:
        key = "v:" + algorithm
        check(EPOCH, [key], 1, 1, "", "", *spec(algorithm, 5, 10**6, 5, version=3), 2)
        same(check(EPOCH, [key], 1, 1, "", "", *spec(algorithm, 5, 10**6, 5, version=4), 2), [0, 1, 3])
        same(check(EPOCH, [key], 1, 1, "", "", *spec(algorithm, 5, 10**6, 5, version=4, loose=1), 2)[1], 1)


def test_change_keeps_scales_or_resets_what_is_left(redis):
    check, change = Script(redis, "limit_check.lua"), Script(redis, "limit_change.lua")
    for algorithm, how, wanted in (
            ("token_bucket", "keep", 4), ("token_bucket", "scale", 8), ("token_bucket", "reset", 20),
            ("fixed_window", "keep", 14), ("fixed_window", "scale", 8), ("fixed_window", "reset", 20),
            ("sliding_window", "keep", 14), ("sliding_window", "scale", 8), ("sliding_window", "reset", 20),
            ("sliding_log", "keep", 14), ("sliding_log", "scale", 8), ("sliding_log", "reset", 20)):
        key, now = "ch:%s:%s" % (algorithm, how), EPOCH
        old, new = spec(algorithm, 10, 10**6, 10), spec(algorithm, 20, 10**6, 20, version=2)
        same(check(now, [key], 1, 1, "", "", *old, 6)[1], 1)
        same(change(now, [key], *old, *new, how), 1)
        same(change(now, [key], *old, *new, how), 1)  # again is no harm
        same([check(now, [key], 1, 1, "", "", *new, cost)[1] for cost in (wanted, 1)], [1, 0], (algorithm, how))


def test_change_of_kind_keeps_scales_or_resets_what_is_left(redis):
    """Never a token more than was left, and of what is whole none less."""
    check, change = Script(redis, "limit_check.lua"), Script(redis, "limit_change.lua")
    kinds = ("token_bucket", "fixed_window", "sliding_window", "sliding_log")
    for old, new, rate, per, how in itertools.product(kinds, kinds, (3, 7, 20), (10**6, 7 * 10**5),
                                                      ("keep", "scale", "reset")):
        if KINDS[old] == KINDS[new] or {old, new} == {"fixed_window", "sliding_window"}:
            continue
        key = "kind:%s:%s:%d:%d:%s" % (old, new, rate, per, how)
        before, after = spec(old, 10, 10**6, 10), spec(new, rate, per, rate, version=2)
        same(check(EPOCH, [key], 1, 1, "", "", *before, 6)[1], 1)
        same(check(EPOCH, [key], 1, 1, "", "", *after, 1), [0, 1, 1])
        same(change(EPOCH, [key], *before, *after, how), 1)
        same(change(EPOCH, [key], *before, *after, how), 1)  # again is no harm
        left = {"keep": min(4, rate), "scale": rate * 4 // 10, "reset": rate}[how]
        same([check(EPOCH, [key], 1, 1, "", "", *after, cost)[1] for cost in (left, 1)], [1, 0], (old, new, rate, how))
        same(redis.cli("PEXPIRETIME", key) > EPOCH // 1000, True)


def test_change_of_kind_leaves_what_workers_hold_to_them(redis):
    """Ten of twenty are held, five more taken: no kind has more than five to give, reset or not."""
    check, change, lease = (Script(redis, "limit_%s.lua" % name) for name in ("check", "change", "lease"))
    before = spec("token_bucket", 20, 10**6, 20)
    for new, how in itertools.product(("token_bucket", "fixed_window", "sliding_window", "sliding_log"),
                                      ("keep", "scale", "reset")):
        key, after = "held:%s:%s" % (new, how), spec(new, 20, 3 * 10**6, 20, version=2)
        same(lease(EPOCH, [key], *before, "w", 1, 0, 0, 0, 10, 1, 1000)[1], 10)
        same(check(EPOCH, [key], 1, 1, "", "", *before, 5)[1], 1)
        same(change(EPOCH, [key], *before, *after, how), 1)
        left = 10 if how == "reset" else 5
        same([check(EPOCH, [key], 1, 1, "", "", *after, cost)[1] for cost in (left, 1)], [1, 0], (new, how))


def test_state_of_a_kind_that_nobody_remembers_is_all_used(redis):
    """Eight versions are known; of an older one of another kind nobody knows what was left."""
    check, change = Script(redis, "limit_check.lua"), Script(redis, "limit_change.lua")
    kinds = ("token_bucket", "fixed_window", "sliding_window", "sliding_log")
    for old, new in itertools.product(kinds, kinds):
        if KINDS[old] == KINDS[new] or {old, new} == {"fixed_window", "sliding_window"}:
            continue
        for how in ("keep", "scale", "reset"):
            key, before, after = "lost:%s:%s:%s" % (old, new, how), spec(new, 5, 10**6, 5), spec(new, 5, 10**6, 5, version=9)
            same(check(EPOCH, [key], 1, 1, "", "", *spec(old, 5, 10**6, 5), 1)[1], 1)
            same(check(EPOCH, [key], 1, 1, "", "", *after, 1), [0, 1, 1])
            same(change(EPOCH, [key], *before, *after, how), 1)
            same(check(EPOCH, [key], 1, 1, "", "", *after, 1)[1], int(how == "reset"), (old, new, how))
            same(check(EPOCH + 2 * 10**6, [key], 1, 1, "", "", *after, 5)[1], 1, (old, new, how))


def test_window_of_another_length_counts_what_counted(redis):
    """Of a sliding one also what is left of the window before."""
    check, change = Script(redis, "limit_check.lua"), Script(redis, "limit_change.lua")
    for old, new, into, left in (("sliding_window", "sliding_window", 10**6, 2), ("sliding_window", "fixed_window", 10**6, 2),
                                 ("fixed_window", "sliding_window", 10**6, 10), ("sliding_window", "sliding_window", 0, 0)):
        key, per = "per:%s:%s:%d" % (old, new, into), 4 * 10**6
        before, after = spec(old, 10, per, 10), spec(new, 10, 5 * 10**6, 10, version=2)
        start = EPOCH // per * per + per
        same(check(start - 1, [key], 1, 1, "", "", *before, 10)[1], 1)
        now = start + into
        same(change(now, [key], *before, *after, "keep"), 1)
        same([check(now, [key], 1, 1, "", "", *after, cost)[1] for cost in (left, 1)], [1, 0], (old, new, into))


def test_charge_that_is_taken_back_may_be_of_the_window_before(redis):
    check, give = Script(redis, "limit_check.lua"), Script(redis, "limit_give.lua")
    args, per = spec("sliding_window", 10, 10**6, 10), 10**6
    start = EPOCH // per * per
    window = check(start + per - 1, ["edge"], 1, 1, "", "", *args, 8)[3]
    same(check(start + per, ["edge"], 1, 1, "", "", *args, 3)[1], 0)
    same(give(start + per, ["edge", "edge:id"], *args, 8, "i", 1000, window, "wake")[1], 1)
    same(check(start + per, ["edge"], 1, 1, "", "", *args, 10)[1], 1)


def test_leases_never_hold_more_than_the_bucket(redis):
    """Four workers take, spend, give back, die; whatever they do, the envelope holds."""
    check, lease, rng = Script(redis, "limit_check.lua"), Script(redis, "limit_lease.lua"), seeded()
    for rate, per, burst in ((100, 10**6, 50), (10, 10**6, 10), (1001, 10**6, 300)):
        args, now, key = spec("token_bucket", rate, per, burst), EPOCH, "l:%d" % rate
        held, number, ends = [0] * 4, [0] * 4, [0] * 4
        history = []
        for _ in range(STEPS):
            now += rng.choice((0, 0, 1000, 5000, 20000, 300000, 1500000))
            w = rng.randrange(4)
            if now >= ends[w]:
                held[w] = 0
            act = rng.random()
            if act < 0.4 and held[w]:
                spent = rng.randrange(1, held[w] + 1)
                held[w] -= spent
                history.append((now, spent))
            elif act < 0.7:
                back = rng.randrange(held[w] + 1) if rng.random() < 0.3 else 0
                held[w] -= back
                number[w] += 1
                reply = lease(now, [key], *args, "w%d" % w, number[w], held[w], back, 0, rng.randrange(60),
                              rng.choice((2, 8)), 1000)
                ends[w] = now + 1000 * 1000
                if rng.random() < 0.9:
                    held[w] += reply[1]
                # else the reply was lost: what was given is not spent by anybody
            elif act < 0.75:
                held[w] = 0  # it died
            elif check(now, [key], 1, 1, "", "", *args, 1)[1]:
                history.append((now, 1))
        assert envelope(history, rate, per, burst) <= 0, (rate, float(envelope(history, rate, per, burst)))
        assert len(history) > STEPS / 10


def test_tokens_of_a_lease_are_as_new_as_its_end(redis):
    """Ten held, spent just before Redis hears of it: none is there until the first has filled up again."""
    check, lease = Script(redis, "limit_check.lua"), Script(redis, "limit_lease.lua")
    args, second = spec("token_bucket", 10, 10**6, 10), 10**6

    def passes(now, key):
        return check(now, [key], 1, 1, "", "", *args, 1)[1]

    def ask(now, key, number, held, back, want):
        return lease(now, [key], *args, "w", number, held, back, 0, want, 1, 1000)[1]

    same(ask(EPOCH, "ends", 1, 0, 0, 10), 10)
    same([passes(EPOCH + second + us, "ends") for us in (0, 99999, 100000, 100000)], [0, 0, 1, 0])
    same(ask(EPOCH, "asks", 1, 0, 0, 10), 10)
    same(ask(EPOCH + 900000, "asks", 2, 5, 0, 10), 0)
    same([passes(EPOCH + 900000 + us, "asks") for us in (0, 99999, 100000)], [0, 0, 1])
    same(ask(EPOCH, "back", 1, 0, 0, 10), 10)
    same(ask(EPOCH + 900000, "back", 2, 0, 4, 0), 0)
    same([passes(EPOCH + 900000, "back") for _ in range(5)], [1, 1, 1, 1, 0])


def test_tokens_come_back_once(redis):
    """The same call again, after nothing was held any more."""
    check, lease = Script(redis, "limit_check.lua"), Script(redis, "limit_lease.lua")
    args = spec("token_bucket", 10, 10**6, 10)
    same(lease(EPOCH, ["twice"], *args, "w", 1, 0, 0, 0, 10, 1, 1000)[1], 10)
    for _ in range(3):
        lease(EPOCH, ["twice"], *args, "w", 2, 0, 3, 0, 0, 1, 1000)
    same([check(EPOCH, ["twice"], 1, 1, "", "", *args, 1)[1] for _ in range(4)], [1, 1, 1, 0])


def test_lease_call_that_comes_late_changes_nothing(redis):
    lease, now = Script(redis, "limit_lease.lua"), EPOCH
    args = spec("token_bucket", 10, 10**6, 10)
    same(lease(now, ["late"], *args, "w", 2, 0, 0, 0, 5, 2, 1000)[1], 5)
    before = redis.cli("GET", "late")
    same(lease(now, ["late"], *args, "w", 1, 0, 3, 0, 5, 2, 1000)[1], 0)
    same(redis.cli("GET", "late"), before)


run(sys.modules[__name__], redis=redis)
