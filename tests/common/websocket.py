"""websocket.py - every rule of RFC 6455 about frames, by raw sockets against the echo program."""
import sys

from websocket_kit import (BINARY, CLOSE, CONTINUATION, MASK, PING, PONG, TEXT, Echo, behind_the_handshake, check,
                           check_all, closing, echo, encode, fragments, join, masked, run, same, text, whole)


def test_messages_of_all_lengths_come_back(echo):
    sizes = (0, 1, 125, 126, 127, 128, 65535, 65536)
    cases = {"%d of %d" % (opcode, size): ([encode(opcode, b"*" * size)], [(opcode, b"*" * size)])
             for opcode in (TEXT, BINARY) for size in sizes}
    small = {name: case for name, case in cases.items() if len(case[0][0]) < 1000}
    check_all(echo, small)
    check_all(echo, cases, (whole, behind_the_handshake))


def test_length_in_more_bytes_than_it_needs_is_1002(echo):
    check_all(echo, {"%d in %d" % (size, form): ([encode(opcode, b"a" * size, form=form)], [1002])
                     for size, form in ((0, 2), (1, 2), (125, 2), (0, 8), (125, 8), (126, 8), (65535, 8))
                     for opcode in (TEXT, BINARY, PING)}, (whole,))
    check_all(echo, {"beyond 63 bits": ([encode(BINARY, form=8, length=1 << 63)], [1002])})


def test_any_mask_is_undone(echo):
    for mask in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x01\x02\x03\x04", b"\0\0\0\x80"):
        for size in range(20):
            payload = bytes(range(0x41, 0x41 + size))
            check(echo, [encode(BINARY, payload, mask=mask)], [(BINARY, payload)], whole)


def test_frame_without_a_mask_is_1002(echo):
    check_all(echo, {str(opcode): ([encode(opcode, payload, mask=None)], [1002])
                     for opcode in (TEXT, BINARY, PING, PONG, CLOSE) for payload in (b"", b"ab")})
    check_all(echo, {"continuation": ([encode(TEXT, b"a", fin=False), encode(CONTINUATION, b"b", mask=None)],
                                      [1002])})


def test_mask_of_another_payload_is_taken_as_it_is(echo):
    check(echo, [encode(BINARY, b"ab", mask=None)[:1] + b"\x82" + MASK + b"ab"],
          [(BINARY, masked(b"ab", MASK))], whole)


def test_rsv_bits_are_1002(echo):
    cases = {"%d on %d" % (rsv, opcode): ([encode(opcode, rsv=rsv)], [1002])
             for rsv in range(1, 8) for opcode in (TEXT, BINARY, PING, PONG, CLOSE)}
    cases["behind a message"] = ([text("a"), text("b", rsv=4), encode(PING)], [(TEXT, b"a"), 1002])
    cases["of a continuation"] = ([encode(TEXT, b"a", fin=False), encode(CONTINUATION, b"b", rsv=4)], [1002])
    check_all(echo, cases)


def test_reserved_opcodes_are_1002(echo):
    cases = {"%d of %d" % (opcode, len(payload)): ([text("a"), encode(opcode, payload), encode(PING)],
                                                   [(TEXT, b"a"), 1002])
             for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15) for payload in (b"", b"ab")}
    check_all(echo, cases)


# ---- control frames

def test_pings_are_answered_with_their_payload_in_order(echo):
    payloads = [b"", b"ping", b"\0\xff\xfe\x80", b"*" * 125]
    cases = {repr(payload): ([encode(PING, payload)], [(PONG, payload)]) for payload in payloads}
    cases["many"] = ([encode(PING, b"%d" % i) for i in range(50)], [(PONG, b"%d" % i) for i in range(50)])
    cases["in their place"] = ([text("a"), encode(PING, b"1"), text("b"), encode(PING, b"2")],
                               [(TEXT, b"a"), (PONG, b"1"), (TEXT, b"b"), (PONG, b"2")])
    check_all(echo, cases)


def test_pong_that_nobody_asked_for_is_ignored(echo):
    pongs = [encode(PONG), encode(PONG, b"unasked"), encode(PONG, b"*" * 125)]
    check_all(echo, {"alone": (pongs, []), "before a ping": (pongs + [encode(PING, b"a")], [(PONG, b"a")])})


def test_control_frame_of_126_bytes_is_1002(echo):
    check_all(echo, {str(opcode): ([encode(opcode, b"*" * 126)], [1002]) for opcode in (PING, PONG, CLOSE)})


def test_control_frame_in_fragments_is_1002(echo):
    for opcode in (PING, PONG, CLOSE):
        check_all(echo, {"begun": ([encode(opcode, b"", fin=False)], [1002]),
                         "whole": (fragments(opcode, b"a", b"b"), [1002]),
                         "inside": ([encode(TEXT, b"a", fin=False), encode(opcode, fin=False)], [1002])})


# ---- fragments

def interleaved(frames, opcode=PING):
    """A control frame, with a number, behind each but the last."""
    sent = []
    for i, frame in enumerate(frames[:-1]):
        sent += [frame, encode(opcode, b"%d" % i)]
    return sent + frames[-1:]


def test_fragments_are_one_message(echo):
    cases = {}
    for opcode in (TEXT, BINARY):
        pieces = (b"one", b"", b"two", b"three", b"")
        frames = fragments(opcode, *pieces)
        message = (opcode, b"onetwothree")
        pongs = [(PONG, b"%d" % i) for i in range(len(frames) - 1)]
        cases |= {"%d plain" % opcode: (frames, [message]),
                  "%d of nothing" % opcode: (fragments(opcode, b"", b"", b""), [(opcode, b"")]),
                  "%d pings between" % opcode: (interleaved(frames), pongs + [message]),
                  "%d pongs between" % opcode: (interleaved(frames, PONG), [message]),
                  "%d twice" % opcode: (frames + frames, [message, message]),
                  "%d by bytes" % opcode: (fragments(opcode, *(b"a" for _ in range(300))), [(opcode, b"a" * 300)])}
    check_all(echo, cases)


def test_fragments_out_of_order_are_1002(echo):
    begun = encode(TEXT, b"a", fin=False)
    check_all(echo, {
        "nothing to continue": ([encode(CONTINUATION, b"a")], [1002]),
        "nothing to continue, nor the end": ([encode(CONTINUATION, b"a", fin=False)], [1002]),
        "behind a message": ([text("a"), encode(CONTINUATION, b"b")], [(TEXT, b"a"), 1002]),
        "behind the last one": (fragments(TEXT, b"a", b"b") + [encode(CONTINUATION, b"c")], [(TEXT, b"ab"), 1002]),
        "text inside": ([begun, text("b")], [1002]),
        "binary inside": ([begun, encode(BINARY, b"b")], [1002]),
        "another begins inside": ([begun, encode(TEXT, b"b", fin=False)], [1002]),
        "behind pings": ([begun, encode(PING, b"1"), text("b")], [(PONG, b"1"), 1002])})


# ---- UTF-8

GOOD_UTF8 = [b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5", b"\0", b"\x7f", b"\xc2\x80", b"\xdf\xbf",
             b"\xe0\xa0\x80", b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd", b"\xef\xbf\xbf",
             b"\xf0\x90\x80\x80", b"\xf4\x8f\xbf\xbf", b"\xef\xbb\xbfmark", b"\xf0\x9f\x98\x80" * 3]
BAD_UTF8 = [b"\x80", b"\xbf", b"\xc0\x80", b"\xc1\xbf", b"\xc2", b"\xc2a", b"\xe0\x80\x80", b"\xe0\x9f\xbf",
            b"\xe1\x80", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf0\x80\x80\x80", b"\xf0\x8f\xbf\xbf", b"\xf0\x9f\x98",
            b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xfe", b"\xff",
            b"\xce\xba\xed\xa0\x80edited", b"ascii and then \xff and more"]


def cuts(payload):
    """As two fragments, cut everywhere, and as one for each byte."""
    cut = [fragments(TEXT, payload[:i], payload[i:]) for i in range(len(payload) + 1)]
    return cut + [fragments(TEXT, *(payload[i:i + 1] for i in range(len(payload))))]


def test_text_in_utf8_comes_back_however_it_is_cut(echo):
    check_all(echo, {repr(payload): ([text(payload)], [(TEXT, payload)]) for payload in GOOD_UTF8})
    check_all(echo, {"%r cut %d" % (payload, i): (frames, [(TEXT, payload)])
                     for payload in GOOD_UTF8[:-1] for i, frames in enumerate(cuts(payload))}, (whole,))


def test_text_that_is_not_utf8_is_1007_however_it_is_cut(echo):
    check_all(echo, {repr(payload): ([text(payload)], [1007]) for payload in BAD_UTF8})
    check_all(echo, {"%r cut %d" % (payload, i): (frames, [1007])
                     for payload in BAD_UTF8 for i, frames in enumerate(cuts(payload))}, (whole,))


def test_what_can_not_become_utf8_fails_before_the_message_is_whole(echo):
    check_all(echo, {
        "in a fragment": ([encode(TEXT, b"a\xed\xa0", fin=False)], [1007]),
        "in half a frame": ([encode(TEXT, b"a\xff" + b"b" * 1000)[:20]], [1007]),
        "over fragments": ([encode(TEXT, b"\xf4", fin=False), encode(CONTINUATION, b"\x90", fin=False)], [1007])})


def test_binary_is_any_bytes(echo):
    every = bytes(range(256))
    check_all(echo, {"all bytes": ([encode(BINARY, every)], [(BINARY, every)]),
                     "in fragments": (fragments(BINARY, every[:130], every[130:]), [(BINARY, every)])})


# ---- closing

def test_close_comes_back_with_its_code(echo):
    for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999):
        check_all(echo, {str(code): ([closing(code, b"reason")], [code])})
        same(echo.state()["last_code"], code)


def test_close_without_a_code_comes_back_so(echo):
    peer = join(echo.port, behind=encode(CLOSE))
    peer.expect((CLOSE, b""))
    peer.expect_end()
    peer.close()
    same(echo.wait_closed(), 1005)


def test_codes_that_must_not_be_sent_are_1002(echo):
    for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535):
        check_all(echo, {str(code): ([closing(code)], [1002])})


def test_close_of_a_wrong_shape_is_refused(echo):
    check_all(echo, {
        "half a code": ([encode(CLOSE, b"\x03")], [1002]),
        "a reason of 123 bytes": ([closing(1000, b"*" * 123)], [1000]),
        "a reason of 124 bytes": ([closing(1000, b"*" * 124)], [1002]),
        "a reason in UTF-8": ([closing(1000, "\u00e9\u20ac".encode())], [1000]),
        "a reason that is not": ([closing(1000, b"\xce\xba\xed\xa0\x80")], [1007]),
        "a reason cut in a character": ([closing(1000, b"*" * 122 + b"\xc3")], [1007])})


def test_nothing_behind_a_close_is_looked_at(echo):
    more = {"text": [text("late")], "ping": [encode(PING, b"late")], "close": [closing(1001)],
            "rubbish": [b"\xff" * 100], "continuation": [encode(CONTINUATION, b"b")], "much": [b"\0" * 300000]}
    check_all(echo, {name: ([text("a"), closing()] + frames, [(TEXT, b"a"), 1000]) for name, frames in more.items()},
              (whole, behind_the_handshake))
    check_all(echo, {"inside a message": ([encode(TEXT, b"a", fin=False), closing(), encode(CONTINUATION, b"b")],
                                          [1000])})


def test_nothing_behind_a_fault_is_looked_at(echo):
    more = [text("late"), encode(PING), closing(1000), b"\xff" * 100, b"\0" * 300000]
    check_all(echo, {"rsv": ([encode(TEXT, rsv=1)] + more, [1002]), "utf8": ([text(b"\xff")] + more, [1007])},
              (whole, behind_the_handshake))


def test_last_message_comes_back_before_the_close(echo):
    message = b"*" * (1 << 20)
    check_all(echo, {"large": ([encode(BINARY, message), closing()], [(BINARY, message), 1000])}, (whole,))


# ---- sizes

def chopped(size):
    def send_chopped(port, data):
        peer = join(port)
        for i in range(0, len(data), size):
            peer.send(data[i:i + size])
        return peer
    return send_chopped


def test_large_messages_come_back(echo):
    for opcode in (TEXT, BINARY):
        for size in (65536, 262144, 1 << 20, 4 << 20):
            message = b"BAsd7&jh23" * (size // 10)
            check_all(echo, {str(size): ([encode(opcode, message)], [(opcode, message)])}, (whole,))


def test_large_messages_come_back_in_chops_and_fragments(echo):
    message = b"0123456789abcdef" * 16384
    check_all(echo, {"chops": ([encode(TEXT, message)], [(TEXT, message)])},
              (chopped(64), chopped(997), chopped(1300), chopped(65536)))
    for size in (64, 1300, 4096, 65536):
        frames = fragments(BINARY, *(message[i:i + size] for i in range(0, len(message), size)))
        check_all(echo, {"fragments of %d" % size: (frames, [(BINARY, message)])}, (whole,))


def test_many_messages_come_back_in_order(echo):
    messages = [b"%d" % i * (i % 50) for i in range(5000)]
    check_all(echo, {"many": ([text(m) for m in messages], [(TEXT, m) for m in messages])}, (whole,))


def test_message_past_the_limit_is_1009(echo):
    server = Echo("--max-message", 1000)
    check_all(server, {
        "just": ([text("*" * 1000)], [(TEXT, b"*" * 1000)]),
        "just, in fragments": (fragments(TEXT, b"*" * 500, b"*" * 500), [(TEXT, b"*" * 1000)]),
        "past": ([text("*" * 1001)], [1009]),
        "as its head says": ([encode(TEXT, length=1001)], [1009]),
        "far more, as its head says": ([encode(BINARY, length=(1 << 63) - 1)], [1009]),
        "in fragments": ([encode(TEXT, b"*" * 600, fin=False), encode(CONTINUATION, length=401)], [1009])})
    server.close()
    check_all(echo, {"of the default": ([encode(TEXT, length=(16 << 20) + 1)], [1009])})


def test_binary_for_a_service_of_text_is_1003(echo):
    server = Echo("--text-only", 1)
    check_all(server, {"binary": ([text("a"), encode(BINARY, b"b"), text("c")], [(TEXT, b"a"), 1003]),
                       "in fragments": (fragments(BINARY, b"a", b"b") + [text("c")], [1003]),
                       "text": ([text("a")], [(TEXT, b"a")])})
    server.close()
    check_all(echo, {"binary": ([encode(BINARY, b"b")], [(BINARY, b"b")])})


run(sys.modules[__name__], echo=echo)
