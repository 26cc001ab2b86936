-- lease.lua - one worker at a time reads a source.
-- KEYS[1]  the lease
-- ARGV     the worker, how long it holds (ms); 0: give it back
-- 1: the worker holds it (or gave it back); 0: another one does.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return 1
