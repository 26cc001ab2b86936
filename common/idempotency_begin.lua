-- idempotency_begin.lua - the first try of a POST, or a later one.
-- KEYS[1]  <prefix>:idem:{pNNN}:<subject>:<key>
-- ARGV     digest of the request, operation, lease (ms), kept for (ms)
-- {'fresh'} | {'continue', operation} | {'busy'} | {'mismatch'} |
-- {'replay', status, body}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local is = redis.call('HMGET', KEYS[1], 'digest', 'operation', 'until', 'status', 'body')
if not is[1] then
  redis.call('HSET', KEYS[1], 'digest', ARGV[1], 'operation', ARGV[2], 'until', now + ARGV[3])
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  return {'fresh'}
end
if is[1] ~= ARGV[1] then return {'mismatch'} end
if is[4] then return {'replay', is[4], is[5]} end
-- The same operation again is this very command, sent twice.
if is[2] ~= ARGV[2] and now < tonumber(is[3]) then return {'busy'} end
redis.call('HSET', KEYS[1], 'until', now + ARGV[3])
if is[2] == ARGV[2] then return {'fresh'} end
return {'continue', is[2]}
