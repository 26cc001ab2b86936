-- update.lua - change a link that is there and is the caller's.
-- KEYS[1]  sh:link:{pNNN}:<code>
-- ARGV     owner ('': whoever), now, then 'expiry' moment of the key ('': keep,
--          '0': none), then fields and values; an empty value takes it away
-- false: no such link; else {its URL and tags before, the hash after}.
local before = redis.call('HMGET', KEYS[1], 'u', 'g', 'o')
if not before[1] or (ARGV[1] ~= '' and before[3] ~= ARGV[1]) then return false end
for i = 4, #ARGV, 2 do
  if ARGV[i + 1] == '' then
    redis.call('HDEL', KEYS[1], ARGV[i])
  else
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  end
end
redis.call('HSET', KEYS[1], 'm', ARGV[2])
if ARGV[3] == '0' then
  redis.call('PERSIST', KEYS[1])
elseif ARGV[3] ~= '' then
  redis.call('PEXPIREAT', KEYS[1], ARGV[3])
end
return {before[1], before[2] or '', redis.call('HGETALL', KEYS[1])}
