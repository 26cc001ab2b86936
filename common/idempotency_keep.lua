-- idempotency_keep.lua - note how a POST goes on, or how it was answered.
-- KEYS[1]  <prefix>:idem:{pNNN}:<subject>:<key>
-- ARGV     digest of the request, its operation, kept for (ms), fields, values
-- 1, or 0 when the record is another operation's by now.
local operation = redis.call('HGET', KEYS[1], 'operation')
if operation and operation ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'digest', ARGV[1], 'operation', ARGV[2], unpack(ARGV, 4))
if not operation then -- it was lost: whole again, and not for ever
  redis.call('HSETNX', KEYS[1], 'until', 0)
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return 1
