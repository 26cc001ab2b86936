-- create.lua - a link, if its code is free.
-- KEYS[1]  sh:link:{pNNN}:<code>
-- ARGV     operation, expiry of the key (ms since 1970, 0: none), then the
--          hash's fields and values; the times of creation and change are
--          Redis's own
-- When it was made (microseconds); 0: the code is taken; else the hash that
-- the same operation made.
if redis.call('HSETNX', KEYS[1], 'p', ARGV[1]) == 0 then
  if redis.call('HGET', KEYS[1], 'p') ~= ARGV[1] then return 0 end
  return redis.call('HGETALL', KEYS[1])
end
local time = redis.call('TIME')
local ms = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('HSET', KEYS[1], 'c', ms, 'm', ms, unpack(ARGV, 3))
if ARGV[2] ~= '0' then redis.call('PEXPIREAT', KEYS[1], ARGV[2]) end
return time[1] * 1000000 + time[2]
