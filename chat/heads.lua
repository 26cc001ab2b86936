-- heads.lua - where rooms of one partition stand, and what a user is in them.
-- KEYS  the members of each
-- ARGV  the user
-- {now (ms), of each: the room ('': there is none), the user ('': it is none of
-- its members)}, as record.lua has them
local time = redis.call('TIME')
local out = {time[1] * 1000 + math.floor(time[2] / 1000)}
for i = 1, #KEYS do
  local is = redis.call('HMGET', KEYS[i], '#', ARGV[1])
  out[2 * i], out[2 * i + 1] = is[1] or '', is[2] or ''
end
return out
