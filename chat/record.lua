-- record.lua - what the hash of a room's members holds, as texts and as tables.
-- Under "#", which is nobody's name, the room itself:
--   SEQ TS OLDEST COUNT MEMBERS HOLE KIND ARCHIVED KEEP KIDS
-- TS: of the last entry; COUNT: messages so far; HOLE: numbers up to it may be
-- missing (Redis lost its end); KIND: u (public), v (private), d (direct);
-- KEEP: how many entries (0: all); KIDS: the keys that texts of it are sealed with,
-- each behind one = and before another (bodies.h).  Under each member's name:
--   READ READ_N DELIVERED MENTIONS ROLE JOINED MUTED SILENCED
-- READ_N: how many messages there were at READ; ROLE: o, a, m or r; the last
-- two are until when, ms (0: not, -1: for ever).
local rank = {r = 1, m = 2, a = 3, o = 4}

local function member(text)
  local read, n, delivered, mentions, role, joined, muted, silenced =
    string.match(text, '^(%d+) (%d+) (%d+) (%d+) (%a) (%d+) (%-?%d+) (%-?%d+)$')
  return {role = role, read = read, n = n, delivered = delivered, joined = joined, mentions = mentions, muted = muted,
    silenced = silenced}
end

local function spell(m)
  return m.read .. ' ' .. m.n .. ' ' .. m.delivered .. ' ' .. m.mentions .. ' ' .. m.role .. ' ' .. m.joined .. ' ' ..
    m.muted .. ' ' .. m.silenced
end
