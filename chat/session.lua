-- session.lua - a user's sessions: a hash, of each its end (s) and its device.
-- KEYS  the user, its sessions
-- ARGV  open, session, its end (s), device, how many there may be, 1: the user is
--       made if it is not there, the channel to wake, the user; {1}, or
--       {'name-taken'}: the user was deleted
--       close, session, the channel to wake, the user; {was it there (0, 1)}
--       look, session ('': a token without one); {does it hold (0, 1), device}
local time = redis.call('TIME')
if ARGV[1] == 'look' then
  if ARGV[2] == '' then return {1 - redis.call('HEXISTS', KEYS[1], 'deleted'), ''} end
  local ends, device = string.match(redis.call('HGET', KEYS[2], ARGV[2]) or '', '^(%d+) (.*)$')
  return {ends and tonumber(ends) > tonumber(time[1]) and 1 or 0, device or ''}
end
if ARGV[1] == 'close' then
  local was = redis.call('HDEL', KEYS[2], ARGV[2])
  redis.call('SPUBLISH', ARGV[3], '@x ' .. ARGV[2] .. ' ' .. ARGV[4])
  return {was}
end
if redis.call('HEXISTS', KEYS[1], 'deleted') == 1 then return {'name-taken'} end
if ARGV[6] == '1' then redis.call('HSETNX', KEYS[1], 'created', time[1] * 1000 + math.floor(time[2] / 1000)) end
local all, oldest, ends = redis.call('HGETALL', KEYS[2]), nil, nil
local count = #all / 2
for i = 1, #all, 2 do
  local at = tonumber(string.match(all[i + 1], '^%d+'))
  if at <= tonumber(time[1]) then
    redis.call('HDEL', KEYS[2], all[i])
    count = count - 1
  elseif not ends or at < ends then
    oldest, ends = all[i], at
  end
end
if count >= tonumber(ARGV[5]) then
  redis.call('HDEL', KEYS[2], oldest)
  redis.call('SPUBLISH', ARGV[7], '@x ' .. oldest .. ' ' .. ARGV[8])
end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3] .. ' ' .. ARGV[4])
if redis.call('TTL', KEYS[2]) < ARGV[3] - time[1] then redis.call('EXPIREAT', KEYS[2], ARGV[3]) end
return {1}
