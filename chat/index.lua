-- index.lua - the rooms of a user, each with when it was put there, us; and those
-- that it was in, each with when it left.
-- KEYS  the rooms, the user; those that it has left are named beside them
-- ARGV     add, room, the most there may be, must the user be there (1; 0: it is
--          made): {now, was it not there (0, 1)}, or {why not}: a problem's type
--          remove, room, when, was it in the room (1, 0): unless it was put
--          there later; {}
--          list, when, when, how many: {rooms put there after the first time,
--          rooms left after the second that it is not in: room, us, …; the time
--          up to which those that it left were looked at ('': there are none)}
local LEFT_TIMES = 10 -- the most that it has left, in rooms that it may be in
local left = string.gsub(KEYS[1], '^ch:rooms', 'ch:left', 1)
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2] -- no other call has the same

if ARGV[1] == 'list' then
  local function after(key, when)
    return redis.call('ZRANGE', key, '(' .. when, '+inf', 'BYSCORE', 'LIMIT', 0, ARGV[4], 'WITHSCORES')
  end
  local gone, out = after(left, ARGV[3]), {}
  for i = 1, #gone, 2 do
    if not redis.call('ZSCORE', KEYS[1], gone[i]) then
      out[#out + 1] = gone[i]
      out[#out + 1] = gone[i + 1]
    end
  end
  return {after(KEYS[1], ARGV[2]), out, gone[#gone] or ''}
end
if ARGV[1] == 'remove' then
  local added = redis.call('ZSCORE', KEYS[1], ARGV[2])
  if added and tonumber(added) <= tonumber(ARGV[3]) then
    redis.call('ZREM', KEYS[1], ARGV[2])
    if ARGV[4] == '1' then redis.call('ZADD', left, now, ARGV[2]) end
  end
  return {}
end
if redis.call('HEXISTS', KEYS[2], 'deleted') == 1 then return {'no-such-user'} end
if ARGV[4] == '0' then
  redis.call('HSETNX', KEYS[2], 'created', string.format('%d', math.floor(now / 1000)))
elseif redis.call('EXISTS', KEYS[2]) == 0 then
  return {'no-such-user'}
end
local added, most = redis.call('ZSCORE', KEYS[1], ARGV[2]), tonumber(ARGV[3])
if not added then
  local is = redis.call('ZCARD', KEYS[1])
  if is >= most then return {'too-many-rooms'} end
  -- what it wrote there is found by the index alone
  if is + redis.call('ZCARD', left) >= most * LEFT_TIMES and not redis.call('ZSCORE', left, ARGV[2]) then
    return {'too-many-rooms'}
  end
end
redis.call('ZADD', KEYS[1], now, ARGV[2])
return {now, added and 0 or 1}
