"""tokens.py keys | mint KEYS --sub NAME --scope "..." [--mercure JSON] [--ttl S]

With --mercure, a claim for a Mercure hub, the others may be left out, and
--ttl 0 makes a token that does not end.

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
    parser.add_argument("--sub")
    parser.add_argument("--scope")
    parser.add_argument("--mercure", type=json.loads, metavar="JSON")
    parser.add_argument("--ttl", type=int, default=86400)
    args = parser.parse_args(argv[2:])
    if args.mercure is None and not (args.sub and args.scope and args.ttl):
        parser.error("--sub, --scope and an end are needed without --mercure")
    if args.mercure is not None and not isinstance(args.mercure, dict):
        parser.error("--mercure: a JSON object is needed")
    with open(argv[1], encoding="utf-8") as file:
        keys = json.load(file)
    claims = {"sub": args.sub, "scope": args.scope, "mercure": args.mercure,
              "jti": secrets.token_hex(8), "exp": args.ttl and int(time.time()) + args.ttl}
    print(mint(keys, {name: claims[name] for name in claims if claims[name] not in (None, 0)}))


if __name__ == "__main__":
    main(sys.argv[1:])
