-- user.lua - a user: what is kept of it, and its end.
-- KEYS  the user, its sessions, to show it its roster, to delete it the
--       partition's users that are deleted
-- ARGV  show; {since when (ms, 0: it is not there), has it a password (0, 1),
--       since when it is connected nowhere (ms, 0: it is not known), session, its
--       end (s) and its device, …}
--       delete, the user, the channel to wake; {}: no token of it holds any more,
--       its name is nobody's, and what else there is of it is to go (erasure.lua)
if ARGV[1] == 'show' then
  local out = {redis.call('HGET', KEYS[1], 'created') or '0', redis.call('HEXISTS', KEYS[1], 'password'),
    redis.call('HGET', KEYS[3], '-') or '0'}
  for _, text in ipairs(redis.call('HGETALL', KEYS[2])) do out[#out + 1] = text end
  return out
end
if redis.call('HEXISTS', KEYS[1], 'deleted') == 1 then return {} end
local time = redis.call('TIME')
local now = string.format('%d', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('ZADD', KEYS[3], now, ARGV[2])
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'deleted', now)
for _, session in ipairs(redis.call('HKEYS', KEYS[2])) do
  redis.call('SPUBLISH', ARGV[3], '@x ' .. session .. ' ' .. ARGV[2])
end
redis.call('DEL', KEYS[2])
redis.call('SPUBLISH', ARGV[3], '@x * ' .. ARGV[2])
return {}
