"""
service_faults.py - workers, Redis and connections are killed, stopped and cut while members chat.

Every history is checked (history.py): one log for all, nothing acknowledged lost, nothing twice, nothing leaked.
"""
import contextlib
import os
import signal
import threading

from kit import SOAK, WORKERS, Chat, Redis, RedisError, directory, main, redis
from traffic import Traffic

ROUNDS = 10 if SOAK else 3
SIZE = {"members": 200, "rooms": 50} if SOAK else {"members": 24, "rooms": 8}


def wait(seconds):
    """What is stopped stays so for a while."""
    threading.Event().wait(seconds)


def with_traffic(store, folder, fault, workers=WORKERS, **more):
    server = Chat(store, folder, "--ping", "600s", workers=workers)
    try:
        traffic = Traffic(server, **SIZE | more)
        traffic.flow()
        for _ in range(ROUNDS):
            fault(traffic)
            traffic.flow()
        traffic.check()
    except BaseException:
        print(server.log()[-9000:])
        raise
    server.close()


def nothing(_traffic):
    pass


def kill_worker(traffic):
    workers = len(traffic.server.workers())
    traffic.server.kill_worker(traffic.chance.randrange(max(workers, 1)))


def test_connections_cut(redis, directory):
    with_traffic(redis, directory, nothing, far=8000)


def test_workers_killed(redis, directory):
    with_traffic(redis, directory, kill_worker)


def test_workers_killed_of_two_or_four(redis, directory):
    with_traffic(redis, directory, kill_worker, workers="2" if WORKERS == "1" else "4")


def test_worker_stopped(redis, directory):
    def stop(traffic):
        pid = traffic.chance.choice(traffic.server.workers())
        os.kill(pid, signal.SIGSTOP)
        wait(1)
        os.kill(pid, signal.SIGCONT)
    with_traffic(redis, directory, stop)


def test_redis_killed_and_restarted(directory):
    store = Redis(appendfsync="always")

    def kill(_traffic):
        store.kill()
        store.start()
    with_traffic(store, directory, kill)
    store.close()


def test_redis_paused(redis, directory):
    def pause(traffic):
        redis.pause()
        wait(traffic.chance.choice((0.3, 1.5)))  # links wait for an answer half a second
        redis.go_on()
    with_traffic(redis, directory, pause)


def test_links_killed(redis, directory):
    def kill(_traffic):
        with contextlib.suppress(RedisError, EOFError, OSError):
            redis.cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        redis.cli("CLIENT", "KILL", "TYPE", "pubsub")
    with_traffic(redis, directory, kill)


def test_subscriptions_killed(redis, directory):
    with_traffic(redis, directory, lambda _traffic: redis.cli("CLIENT", "KILL", "TYPE", "pubsub"))


def test_all_at_once(directory):
    store = Redis(appendfsync="always")

    def hurt(traffic):
        kill_worker(traffic)
        store.pause()
        wait(0.7)
        store.kill()
        kill_worker(traffic)
        store.start()
    with_traffic(store, directory, hurt, far=20000)
    store.close()


main(__name__)
