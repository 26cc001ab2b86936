"""service_slots.py - slots of concurrency limits: acquired, renewed, released, ended."""
import json
import time

from kit import (SOAK, bearer, define, directory, errors, eventually, main, put, redis, refund, reset, same, service,
                 start, together, tokens, write_file)

KEYS = tokens.make_keys()


def acquire(server, key="k", ttl=60000, headers=None, limit="slots", **more):
    return server.request("POST", "/v1/acquire", {"limit": limit, "key": key, "ttl_ms": ttl} | more, headers)


def renew(server, lease, ttl=60000, headers=None):
    return server.request("POST", "/v1/renew", {"lease": lease, "ttl_ms": ttl}, headers)


def release(server, lease, headers=None):
    return server.request("POST", "/v1/release", {"lease": lease}, headers)


def slots(server, count):
    define(server, "slots", algorithm="concurrency", rate=count, per=None)


def test_slots_are_held_until_they_are_released(service):
    slots(service, 3)
    leases = []
    for _ in range(3):
        answer = acquire(service)
        same((answer.status, set(answer.json)), (200, {"lease", "expires_in_ms"}))
        assert 0 < answer.json["expires_in_ms"] <= 60000
        leases.append(answer.json["lease"])
    same(len(set(leases)), 3)
    answer = acquire(service)
    same((answer.status, answer.slug), (429, "rate-limited"))
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    same(acquire(service, "other").status, 200)
    answer = release(service, leases[1])
    same((answer.status, answer.body), (204, b""))
    same(release(service, leases[1]).status, 204)  # again frees nobody else's
    same([acquire(service).status for _ in range(2)], [200, 429])
    same(renew(service, leases[1]).status, 410)


def test_slots_asked_for_at_the_same_time_are_no_more_than_there_are(service):
    slots(service, 7)
    for key in range(4 if SOAK else 2):
        answers = together(24, lambda _, k=key: acquire(service, "k%d" % k))
        same([answer.status for answer in answers].count(200), 7)
        held = [answer.json["lease"] for answer in answers if answer.status == 200]
        same({answer.status for answer in together(7, lambda n, h=held: release(service, h[n]))}, {204})
        same([acquire(service, "k%d" % key).status for _ in range(8)], [200] * 7 + [429])


def test_slot_ends_with_its_time_and_never_before(service):
    slots(service, 1)
    sent = time.time()
    lease = acquire(service, ttl=500).json["lease"]
    eventually(lambda: acquire(service).status == 200, "its end")
    assert time.time() - sent >= 0.499
    answer = renew(service, lease)
    same((answer.status, answer.slug), (410, "lease-ended"))
    same(release(service, lease).status, 204)
    same(acquire(service).status, 429)


def test_renewed_slot_lasts(service):
    slots(service, 1)
    lease = acquire(service, ttl=60000).json["lease"]
    renewed = time.time()
    answer = renew(service, lease, 400)
    same((answer.status, answer.json["lease"]), (200, lease))
    assert 0 < answer.json["expires_in_ms"] <= 400
    eventually(lambda: acquire(service).status == 200, "the new end")
    assert time.time() - renewed >= 0.399
    same(renew(service, lease).status, 410)


def test_slot_acquired_again_by_its_id_is_the_same(service):
    slots(service, 2)
    first = acquire(service, id="job-1").json["lease"]
    for _ in range(3):
        answer = acquire(service, id="job-1")
        same((answer.status, answer.json["lease"]), (200, first))
    same([acquire(service, id="job-%d" % n).status for n in (2, 3, 1)], [200, 429, 200])
    same(release(service, first).status, 204)
    same(acquire(service, id="job-3").status, 200)


def test_slot_of_another_subject_is_not_theirs(redis, directory):
    path = write_file(directory, "keys", json.dumps(KEYS))
    server = start(redis, "--token-keys", path, opened=False)
    ann, bob = bearer(KEYS, "ann"), bearer(KEYS, "bob")
    same(put(server, "slots", "", ann, algorithm="concurrency", rate=1).status, 201)
    lease = acquire(server, headers=ann, id="x").json["lease"]
    same(renew(server, lease, headers=bob).status, 410)
    same(release(server, lease, bob).status, 204)  # and frees nothing:
    same(acquire(server, headers=bob, id="x").status, 429)
    same(renew(server, lease, headers=ann).status, 200)
    same((release(server, lease, ann).status, acquire(server, headers=bob).status), (204, 200))
    server.close()


def test_change_of_a_concurrency_limit_frees_no_slots(service):
    define(service, "slots", algorithm="concurrency", rate=2, per=None)
    leases = [acquire(service).json["lease"] for _ in range(2)]
    for change in ("keep", "scale", "reset"):
        for rate in (1, 2):
            define(service, "slots", "?on_change=" + change, algorithm="concurrency", rate=rate, per=None)
            same(acquire(service).status, 429, change)
    same(release(service, leases[0]).status, 204)
    same([acquire(service).status for _ in range(2)], [200, 429])


def test_slots_that_cannot_be_asked_for_are_422(service):
    slots(service, 2)
    define(service, "bucket")
    for fields, pointer in (({"ttl_ms": 0}, "/ttl_ms"), ({"ttl_ms": -1}, "/ttl_ms"), ({"ttl_ms": "1"}, "/ttl_ms"),
                            ({"ttl_ms": 10**12}, "/ttl_ms"), ({"key": ""}, "/key"), ({"key": "x" * 513}, "/key"),
                            ({"limit": "bucket"}, "/limit"), ({"cost": 1}, "/cost"), ({"id": ""}, "/id")):
        answer = service.request("POST", "/v1/acquire", {"limit": "slots", "key": "k", "ttl_ms": 1000} | fields)
        same(list(errors(answer)), [pointer], fields)
    same(acquire(service, limit="none").status, 404)
    for lease in ("x", "", "A" * 5000, "\u00fc", "MTox", "====", "LTE6"):
        assert renew(service, lease).status in (410, 422), lease
        assert release(service, lease).status in (204, 422), lease
    for body in ({}, {"lease": 5, "ttl_ms": 1000}):
        same(list(errors(service.request("POST", "/v1/renew", body)))[0], "/lease")
    for call in (refund(service, "slots"), reset(service, "slots")):
        same(call.status in (204, 422), True, call)


main(__name__, directory=directory)
