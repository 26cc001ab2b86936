-- roster_all.lua - all rosters of a partition.
-- KEYS[1]  the partition's selectors that have one
-- ARGV     what stands before a selector in the key of its roster, how many
--          subscribers at most
-- {selector, fields and values of its roster, …}; one without any is forgotten.
local out, room = {}, tonumber(ARGV[2])
for _, selector in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local roster = redis.call('HGETALL', ARGV[1] .. selector)
  if #roster == 0 then
    redis.call('SREM', KEYS[1], selector)
  elseif room > 0 then
    out[#out + 1] = selector
    out[#out + 1] = roster
    room = room - #roster / 2
  end
end
return out
