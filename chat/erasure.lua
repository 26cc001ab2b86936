-- erasure.lua - users that are deleted, until nothing of them is left.
-- KEYS[1]  the partition's, by when (ms) each is to be looked at; what is of one
--          of them is named after it: same tag
-- ARGV  take, for how long (ms) no other worker is to take it: {}: none is due;
--       {user}: nothing of that one is left; {user, room, the number to go on
--       behind}: what is to be done
--       keep, user, room, number, for how long: it has come so far; {}
--       done, user, room: nothing of it is there; {}
--       none, user, room: there is no such room; {}: one that was being made then
--       may come yet, and is looked for again in a minute
local LATE = 60000
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function key(what, user) return string.gsub(KEYS[1], '^ch:erasures', 'ch:' .. what, 1) .. ':' .. user end
local function ms(number) return string.format('%d', number) end

if ARGV[1] == 'take' then
  local user = redis.call('ZRANGE', KEYS[1], 0, ms(now), 'BYSCORE', 'LIMIT', 0, 1)[1]
  if not user then return {} end
  local due
  for _, rooms in ipairs({key('rooms', user), key('left', user)}) do
    local first = redis.call('ZRANGE', rooms, 0, 0, 'WITHSCORES')
    if first[1] and first[2] / 1000 <= now then
      local at = redis.call('HMGET', key('user', user), 'room', 'at')
      redis.call('ZADD', KEYS[1], ms(now + ARGV[2]), user)
      return {user, first[1], at[1] == first[1] and at[2] or '0'}
    end
    due = due or first[2]
  end
  if due then
    redis.call('ZADD', KEYS[1], ms(due / 1000 + 1), user)
    return {}
  end
  local roster = key('roster', user)
  if redis.call('HLEN', roster) > redis.call('HEXISTS', roster, '') + redis.call('HEXISTS', roster, '-') then
    redis.call('ZADD', KEYS[1], ms(now + 1000), user)
    return {}
  end
  redis.call('DEL', roster)
  redis.call('ZREM', KEYS[1], user)
  return {user}
end

local user, room = ARGV[2], ARGV[3]
if ARGV[1] == 'keep' then
  redis.call('HSET', key('user', user), 'room', room, 'at', ARGV[4])
  redis.call('ZADD', KEYS[1], 'XX', ms(now + ARGV[5]), user)
  return {}
end
local deleted = tonumber(redis.call('HGET', key('user', user), 'deleted'))
if ARGV[1] == 'none' and now < deleted + LATE then
  redis.call('ZADD', key('rooms', user), 'XX', ms((deleted + LATE) * 1000), room)
else
  redis.call('ZREM', key('rooms', user), room)
end
redis.call('ZREM', key('left', user), room)
redis.call('HDEL', key('user', user), 'room', 'at')
redis.call('ZADD', KEYS[1], 'XX', ms(now), user)
return {}
