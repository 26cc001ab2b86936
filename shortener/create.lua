-- create.lua - a link, if its code is free.
-- KEYS[1]  sh:link:{pNNN}:<code>
-- ARGV     operation, expiry of the key (ms since 1970, 0: none), then the
--          hash's fields and values
-- 1: made; 0: the code is taken; else the hash that the same operation made.
if redis.call('HSETNX', KEYS[1], 'p', ARGV[1]) == 0 then
  if redis.call('HGET', KEYS[1], 'p') ~= ARGV[1] then return 0 end
  return redis.call('HGETALL', KEYS[1])
end
redis.call('HSET', KEYS[1], unpack(ARGV, 3))
if ARGV[2] ~= '0' then redis.call('PEXPIREAT', KEYS[1], ARGV[2]) end
return 1
