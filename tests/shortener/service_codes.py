"""service_codes.py - ids and codes: never two of one, never a taken one."""
import json
import os
import secrets
import tempfile

from kit import create, main, redis, same, service, start

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SPACE = 62 ** 7
MASK = (1 << 64) - 1


def sip24(key, data):
    """SipHash-2-4, written from the paper, to check the service's."""
    k0, k1 = (int.from_bytes(key[i:i + 8], "little") for i in (0, 8))
    v = [k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d,
         k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573]

    def rotate(x, bits):
        return (x << bits | x >> (64 - bits)) & MASK

    def turn():
        v[0] = (v[0] + v[1]) & MASK
        v[2] = (v[2] + v[3]) & MASK
        v[1] = rotate(v[1], 13) ^ v[0]
        v[3] = rotate(v[3], 16) ^ v[2]
        v[0] = rotate(v[0], 32)
        v[2] = (v[2] + v[1]) & MASK
        v[0] = (v[0] + v[3]) & MASK
        v[1] = rotate(v[1], 17) ^ v[2]
        v[3] = rotate(v[3], 21) ^ v[0]
        v[2] = rotate(v[2], 32)

    whole = len(data) // 8 * 8
    words = [int.from_bytes(data[i:i + 8], "little") for i in range(0, whole, 8)]
    words.append((len(data) << 56 | int.from_bytes(data[whole:], "little")) & MASK)
    for word in words:
        v[3] ^= word
        turn()
        turn()
        v[0] ^= word
    v[2] ^= 0xff
    for _ in range(4):
        turn()
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def code_of(key, number):
    value = number
    while True:
        left, right = value >> 21, value & 0x1fffff
        for step in range(8):
            block = (right << 8 | step).to_bytes(8, "little")
            left, right = right, left ^ (sip24(key, block) & 0x1fffff)
        value = left << 21 | right
        if value < SPACE:
            break
    text = ""
    for _ in range(7):
        value, digit = divmod(value, 62)
        text = DIGITS[digit] + text
    return text


def test_sip24_of_this_test_is_the_papers(redis):
    same(sip24(bytes(range(16)), bytes(range(15))), 0xa129ca6149be45e5)


def test_codes_are_permuted_ids_and_skip_what_is_taken(redis):
    """The next five codes are made taken: the sixth is given."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "secrets.json")
        keys = {name: secrets.token_hex(32) for name in ("codes", "visitors")}
        with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
            json.dump(keys, file)
        server = start(redis, "--secrets", path, "--workers", "1")
        key = bytes.fromhex(keys["codes"])[:16]
        same(create(server)["code"], code_of(key, 0))
        for number in range(1, 6):
            create(server, code=code_of(key, number))
        same(create(server)["code"], code_of(key, 6))
        same(server.metric("shortener_codes_skipped_total"), 5)
        server.close()


def test_codes_of_a_restarted_worker_are_new(redis):
    codes = set()
    for _ in range(3):
        server = start(redis)
        codes |= {create(server)["code"] for _ in range(20)}
        server.close()
    same(len(codes), 60)
    assert int(redis.cli("GET", "sh:ids")) % 4096 == 0


main(__name__)
