-- register.lua - a user with a password, unless there is one of that name.
-- KEYS[1]  the user: created (ms), password (password.h); one that came by a
--          token or as a guest has none
-- ARGV[1]  the password as it is kept
-- {made (0, 1)}; the same password twice is made, too: the answer may be lost
local time = redis.call('TIME')
if redis.call('EXISTS', KEYS[1]) == 1 then return {redis.call('HGET', KEYS[1], 'password') == ARGV[1] and 1 or 0} end
redis.call('HSET', KEYS[1], 'created', time[1] * 1000 + math.floor(time[2] / 1000), 'password', ARGV[1])
return {1}
