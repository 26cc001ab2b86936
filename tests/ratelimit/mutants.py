"""mutants.py - seven planted faults of the limiter, each of which the suite must catch.

A test below is one fault: what it is and who had it, the text of the product that is replaced, and the tests that must
fail for it.  The sources are copied into the build's folder and the copy is built once; then for each fault the named
tests must pass on the copy as it is, and fail on the copy with the fault, by the assertion that is named: a build that
breaks, a service that does not start and a test that stumbles over something else are not a catch.
"""
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import namedtuple

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "harness"))
# pylint: disable=wrong-import-position
from lab import BUILD, TOP, Skip, run  # noqa: E402

TARGET = "ratelimit/ratelimit"
KEPT = ("b_sanitize", "b_lundef")  # options of the build that the copy has, too
QUICK = ["-Dtests=disabled", "-Doptimization=0"]  # a third of the time, and every law is the same

Edit = namedtuple("Edit", "path old new")  # old stands once in the file, or the test is of other sources
Catch = namedtuple("Catch", "file test says workers", defaults=[1])  # says: a pattern of the assertion's text


# ---- the copy

def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def command(*args):
    """Something that must work for the test to mean anything."""
    done = subprocess.run(args, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise RuntimeError("%s: exit %d\n%s" % (" ".join(args), done.returncode, done.stdout[-4000:]))
    return done.stdout


class Copy:
    """The sources and a build of them, with at most one fault at a time."""

    def __init__(self, path):
        self.path, self.build = path, os.path.join(path, "build", "mutants")
        for name in ["meson.build", "meson_options.txt"]:
            shutil.copy(os.path.join(TOP, name), path)
        for name in os.listdir(TOP):
            if os.path.exists(os.path.join(TOP, name, "meson.build")):
                shutil.copytree(os.path.join(TOP, name), os.path.join(path, name),
                                ignore=shutil.ignore_patterns("__pycache__"))
        options = {one["name"]: one["value"]
                   for one in json.loads(command("meson", "introspect", "--buildoptions", BUILD))}
        command("meson", "setup", self.build, path, *QUICK,
                *["-D%s=%s" % (name, str(options[name]).lower()) for name in KEPT])

    def make(self):
        command("ninja", "-C", self.build, TARGET)

    @contextlib.contextmanager
    def changed(self, edits):
        """The copy with these edits, and as it was again."""
        before = {}
        try:
            for edit in edits:
                path = os.path.join(self.path, edit.path)
                with open(path, encoding="utf-8") as file:
                    text = file.read()
                before.setdefault(path, text)
                if text.count(edit.old) != 1:
                    raise RuntimeError("the source has moved: %s has %d times\n%s" %
                                       (edit.path, text.count(edit.old), edit.old))
                write(path, text.replace(edit.old, edit.new))
            yield
        finally:
            for path, text in before.items():
                write(path, text)

    def outcome(self, catch):
        """Of the copy's own test against the copy's binary: how it ended, what it printed."""
        env = {name: value for name, value in os.environ.items() if name != "LAB_SOAK"}
        done = subprocess.run([sys.executable, os.path.join(self.path, "tests", "ratelimit", catch.file), catch.test],
                              check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env=env | {"LAB_BUILD": self.build, "LAB_WORKERS": str(catch.workers)})
        ended = re.search(r"^\[ RUN      \] %s$(.*?)^\[ +(OK|FAILED|SKIPPED) \] %s$" % (catch.test, catch.test),
                          done.stdout, re.M | re.S)
        if not ended:
            raise RuntimeError("%s has no test %s\n%s" % (catch.file, catch.test, done.stdout[-4000:]))
        if ended[2] == "SKIPPED":
            raise Skip(ended[1].strip())
        return ended[2], ended[1]

    def catches(self, *edits, by):
        """The tests pass without the edits, and fail with them as they say."""
        self.make()
        for catch in by:
            result, text = self.outcome(catch)
            if result != "OK":
                raise RuntimeError("%s fails without a fault\n%s" % (catch.test, text[-4000:]))
        with self.changed(edits):
            self.make()
            for catch in by:
                result, text = self.outcome(catch)
                assert result == "FAILED", "%s passes: the fault is not seen" % catch.test
                raised = re.findall(r"^([\w.]*(?:Error|Exception)\b.*)$", text, re.M)[-1:]
                assert raised and re.match("AssertionError: .*(?:%s)" % catch.says, raised[0]), \
                    "%s fails by %s, not by %r\n%s" % (catch.test, raised, catch.says, text[-4000:])
                print("caught by %s: %s" % (catch.test, raised[0]), flush=True)


# ---- the faults

def test_check_then_set_is_caught(copy):
    """
    The script only looks, and the worker writes what it read: two calls, between which others have read the same.
    Kong's rate-limiting (Kong/kong#2629).  Who asks alone does not see it, nor do checks that share a call.
    """
    copy.catches(
        Edit("common/limit_check.lua", """\
  if limits[j].dirty then store(limits[j], KEYS[j]) end
""", """\
  if limits[j].dirty and limits[j].kind == 'l' then store(limits[j], KEYS[j]) end
"""),
        Edit("common/limit_buckets.lua", "  if dirty then\n", "  if false then\n"),
        Edit("common/limit_batch.c", """\
static void read_ask(struct limit_batch *batch, struct limit_ask *ask,
""", """\
static void on_written(void *arg, int status, const struct redisReply *reply)
{
    (void)arg;
    (void)status;
    (void)reply;
}

static void write_state(struct limit_batch *batch, struct limit_ask *ask,
                        const struct limit_state *state)
{
    char text[96];
    int len = snprintf(text, sizeof(text), "%" PRIu64 " %" PRIu64 " %" PRIu64,
                       ask->spec->numbers.version, state->a, state->b);

    if (!limit_is_bucket(ask->spec->numbers.algorithm))
        len += snprintf(text + len, sizeof(text) - (size_t)len, " %" PRIu64,
                        state->c);
    struct span argv[] = {SPAN("SET"), limit_name_of(ask->known),
                          {text, (size_t)len}, SPAN("PX"), SPAN("60000")};
    redis_send(batch->limiter->options.redis,
               &(struct redis_call){.key = limit_tag(argv[1]),
                                    .argv = argv,
                                    .argc = 5,
                                    .cb = on_written});
}

static void read_ask(struct limit_batch *batch, struct limit_ask *ask,
"""),
        Edit("common/limit_batch.c", """\
    *window = state.a;
""", """\
    *window = state.a;
    if (ask->allowed && ask->cost &&
        ask->spec->numbers.algorithm != LIMIT_SLIDING_LOG)
        write_state(batch, ask, &state);
"""),
        by=[Catch("service_faults.py", "test_checks_that_redis_finds_waiting_share_one_state",
                  r"token_bucket: \[200, 200, 200, 200, 200, 200", workers) for workers in (1, 3)])


def test_double_refund_is_caught(copy):
    """
    A check of several keys that is asked again by its id is charged once, as the script remembers it; what it took in
    vain is given back each time, since each time is another refund.  So is each retry of a refund by a negative cost,
    as upstash's ratelimit has it.
    """
    copy.catches(
        Edit("common/limit_give.c", """\
    if (call->id.ptr)
        return arena_printf(call->arena, "undo:%" PRIu64 ":%.*s", group->now,
                            (int)call->id.len, call->id.ptr);
""", ""),
        by=[Catch("service_checks.py", "test_id_of_a_call_over_keys_charges_and_gives_back_once",
                  "more came back than was charged")])


def test_early_expiry_is_caught(copy):
    """
    A bucket's state ends at the millisecond in which the bucket is full, not after it: at more than a thousand tokens a
    second that is now, and nothing is ever counted.  redis-cell (brandur/redis-cell#50).
    """
    copy.catches(
        Edit("common/limit_state.lua", """\
    local ends = floor(limit.full / 1000) + 1
""", """\
    local ends = floor(limit.full / 1000)
"""),
        by=[Catch("scripts_model.py", "test_token_bucket_decides_as_its_law", "ends early")])


def test_lost_lease_is_caught(copy):
    """
    What workers hold is not counted as just taken, so it fills up again while they hold it: 150 of a bucket of 100
    within a moment.  Each limiter that takes tokens ahead and books only what it took.
    """
    copy.catches(
        Edit("common/limit_state.lua", """\
  at_least(limit, now, limit.held)
""", """\
  at_least(limit, now, 0)
"""),
        by=[Catch("scripts_model.py", "test_tokens_of_a_lease_are_as_new_as_its_end", "9 is not 0"),
            Catch("service_leases.py", "test_bucket_does_not_fill_up_beside_what_is_held", "above the envelope")])


def test_per_worker_limit_is_caught(copy):
    """
    A state's name has the worker's in it, and each worker lets the whole limit pass.  Each limiter that counts in its
    own process; nginx's on several hosts.
    """
    copy.catches(
        Edit("common/limit_table.c", """\
    return key_name(arena, limiter->options.prefix, spec->type, key,
                    key_pair(arena, span_str(spec->name), key));
""", """\
    return key_name(arena, limiter->options.prefix, spec->type, key,
                    key_pair(arena,
                             arena_printf(arena, "%s@%s", spec->name,
                                          limiter->options.worker),
                             key));
"""),
        by=[Catch("service_checks.py", "test_cost_nothing_peeks", r"\(200, 3\) is not \(200, 2\)", workers=3)])


def test_window_reset_is_caught(copy):
    """
    A state of another window counts as none: the window before weighs nothing, and twice the rate passes at the edge,
    as through the fixed windows of Envoy's limiter; and a clock that steps back lifts the limit.
    """
    copy.catches(
        Edit("common/limit_state.lua", """\
  if window >= limit.window then
    limit.used, limit.before = tonumber(used), tonumber(before) or 0
    limit.dirty = window > limit.window -- the clock stepped back: of this one now
  elseif window == limit.window - 1 then
    limit.before = tonumber(used)
  end
""", """\
  if window == limit.window then
    limit.used, limit.before = tonumber(used), tonumber(before)
  end
"""),
        by=[Catch("scripts_model.py", "test_clock_that_steps_back_empties_a_bucket_at_the_worst",
                  "fixed_window: 1 is not 0"),
            Catch("service_envelope.py", "test_envelope_holds_for_hot_and_cold_keys",
                  r"sliding\S* \S+ .* more than the limit says")])


def test_unit_mix_up_is_caught(copy):
    """
    A wait in microseconds is taken for one in milliseconds: a denial is remembered a thousand times too long, and who
    waits as long as was said is denied again.  Kong gave EXPIREAT milliseconds for seconds (Kong/kong#14995).
    """
    copy.catches(
        Edit("common/limit_batch.c", """\
    known->denied_until_us = batch->sent_us + wait_us;
""", """\
    known->denied_until_us = batch->sent_us + wait_us * 1000;
"""),
        by=[Catch("service_checks.py", "test_rates_are_not_rounded", "1001: False is not True")])


def main():
    with tempfile.TemporaryDirectory(prefix="mutants-", dir=os.path.abspath(BUILD)) as path:
        made = []

        def copy():
            made[:] = made or [Copy(path)]
            yield made[0]
        run(sys.modules[__name__], copy=copy)


main()
