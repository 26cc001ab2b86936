-- index.lua - the rooms of a user: each with when it was put there, us.
-- KEYS  the sorted set; the user
-- ARGV     add, room, the most there may be, must the user be there (1; 0: it is
--          made): {now, was it not there (0, 1)}, or {why not}: a problem's type
--          remove, room, when: unless it was put there later; {}
if ARGV[1] == 'remove' then
  local added = redis.call('ZSCORE', KEYS[1], ARGV[2])
  if added and tonumber(added) <= tonumber(ARGV[3]) then redis.call('ZREM', KEYS[1], ARGV[2]) end
  return {}
end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2] -- no other call has the same
if ARGV[4] == '0' then
  redis.call('HSETNX', KEYS[2], 'created', string.format('%d', math.floor(now / 1000)))
elseif redis.call('EXISTS', KEYS[2]) == 0 then
  return {'no-such-user'}
end
local added = redis.call('ZSCORE', KEYS[1], ARGV[2])
if not added and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then return {'too-many-rooms'} end
redis.call('ZADD', KEYS[1], now, ARGV[2])
return {now, added and 0 or 1}
