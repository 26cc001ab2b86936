-- reseal_rooms.lua - rooms that have texts sealed with other keys than one.
-- KEYS[1]  the partition's rooms; their keys are named after it: same tag
-- ARGV     where to go on ('0': from the beginning), the key's id
-- {where to go on ('0': that was all), room, …}
local tag, only = string.match(KEYS[1], '%b{}'), '=' .. ARGV[2] .. '='
local found = redis.call('SSCAN', KEYS[1], ARGV[1], 'COUNT', 64)
local out = {found[1]}
for _, room in ipairs(found[2]) do
  local is = redis.call('HGET', 'ch:members:' .. tag .. ':' .. room, '#')
  local kids = is and string.match(is, '%S+$')
  if kids and kids ~= only and kids ~= '=' then out[#out + 1] = room end
end
return out
