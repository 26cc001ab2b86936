-- names.lua - members of a room, by name.
-- KEYS  its members, their names
-- ARGV  who asks, the name to go on behind ('': the first), how many at most
-- {why not}: a problem's type; else {the name to go on behind ('': there are no
-- more), {name, member as record.lua has it, …}}
local is = redis.call('HMGET', KEYS[1], '#', ARGV[1])
if not is[1] then return {'no-such-room'} end
if not is[2] then return {string.find(is[1], ' u %d %d+ %S+$') and 'not-a-member' or 'no-such-room'} end
local most = tonumber(ARGV[3])
local names = redis.call('ZRANGE', KEYS[2], ARGV[2] == '' and '-' or '(' .. ARGV[2], '+', 'BYLEX', 'LIMIT', 0, most + 1)
local next, out = '', {}
if #names > most then
  names[most + 1] = nil
  next = names[most]
end
if #names > 0 then
  local members = redis.call('HMGET', KEYS[1], unpack(names))
  for i, name in ipairs(names) do
    out[#out + 1] = name
    out[#out + 1] = members[i] or ''
  end
end
return {next, out}
