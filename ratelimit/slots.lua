-- slots.lua - slots of a concurrency limit: who holds one, until when.
-- KEYS[1]  rl:slots:{pNNN}:<limit and key>, sorted set of holders by their end
-- ARGV     'acquire', 'renew' or 'release'; the holder; how long (ms); slots
-- acquire: {1, ms left} also if it was held already; {0, ms until one may be}
-- renew: {1, ms} or {0, 0} when it has ended; release: {1, 0} or {0, 0}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local key, holder, ttl = KEYS[1], ARGV[2], tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', key, '-inf', now)

local function keep()
  redis.call('ZADD', key, now + ttl, holder)
  local last = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')
  redis.call('PEXPIREAT', key, last[2])
  return {1, ttl}
end

local held = redis.call('ZSCORE', key, holder)
if ARGV[1] == 'release' then return {redis.call('ZREM', key, holder), 0} end
if ARGV[1] == 'renew' then
  if held then return keep() end
  return {0, 0}
end
if held then return {1, held - now} end
if redis.call('ZCARD', key) < tonumber(ARGV[4]) then return keep() end
local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
return {0, first[2] - now}
