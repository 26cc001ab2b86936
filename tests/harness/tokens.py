"""tokens.py keys | mint KEYS --sub NAME --scope "..." [--ttl S]

Makes a key set as TOKEN_KEYS takes it, and tokens signed by its current key.
"""
import argparse
import base64
import hashlib
import hmac
import json
import secrets
import sys
import time


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def make_keys():
    key = {"kid": "k1", "alg": "HS256", "secret": encode(secrets.token_bytes(32))}
    return {"current": "k1", "keys": [key]}


def mint(keys, claims, header=None, kid=None):
    """A token; header overrides what its header says, for tests."""
    kid = kid or keys["current"]
    key = next(k for k in keys["keys"] if k["kid"] == kid)
    head = {"alg": "HS256", "typ": "JWT", "kid": kid} | (header or {})
    signed = "%s.%s" % tuple(encode(json.dumps(part).encode()) for part in (head, claims))
    secret = base64.urlsafe_b64decode(key["secret"] + "==")
    return signed + "." + encode(hmac.new(secret, signed.encode(), hashlib.sha256).digest())


def main(argv):
    if argv[:1] == ["keys"]:
        print(json.dumps(make_keys()))
        return
    parser = argparse.ArgumentParser(prog="lab token")
    parser.add_argument("--sub", required=True)
    parser.add_argument("--scope", required=True)
    parser.add_argument("--ttl", type=int, default=86400)
    args = parser.parse_args(argv[2:])
    with open(argv[1], encoding="utf-8") as file:
        keys = json.load(file)
    print(mint(keys, {"sub": args.sub, "scope": args.scope, "jti": secrets.token_hex(8),
                      "exp": int(time.time()) + args.ttl}))


if __name__ == "__main__":
    main(sys.argv[1:])
