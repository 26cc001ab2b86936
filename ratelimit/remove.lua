-- remove.lua - a limit is no more; its version is remembered for as long as
-- states of it may live, so that another of its name is never taken for it.
-- KEYS[1]  rl:limit:{pNNN}:<name>
-- ARGV[1]  how long (s)
-- 1, or 0 if there was none.
local version = redis.call('HGET', KEYS[1], 'v')
if not version or redis.call('HEXISTS', KEYS[1], 'a') == 0 then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'v', version)
redis.call('EXPIRE', KEYS[1], ARGV[1])
return 1
