-- delete.lua - leave a tombstone where a link was.
-- KEYS     sh:link:{pNNN}:<code>, sh:clk:{pNNN}:<code>
-- ARGV     owner ('': whoever), now, how long the tombstone stays (ms)
-- false: no such link; else {owner, URL, tags}.
local before = redis.call('HMGET', KEYS[1], 'o', 'u', 'g')
if not before[2] or (ARGV[1] ~= '' and before[1] ~= ARGV[1]) then return false end
redis.call('DEL', KEYS[1])
redis.call('UNLINK', KEYS[2])
redis.call('HSET', KEYS[1], 'd', ARGV[2], 'p', '')
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {before[1], before[2], before[3] or ''}
