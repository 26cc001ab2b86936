-- heir.lua - who is to be an owner when the last one goes: an owner that there is
-- yet, else of the highest role who has been in the room for longest.
-- KEYS  its members, their names
-- ARGV  who goes, the name to go on behind ('': the first), who it would be so
--       far ('': nobody), how many to look at
-- {the name to go on behind ('': that was all), who it would be ('': nobody)}
-- include record.lua
local names = redis.call('ZRANGE', KEYS[2], ARGV[2] == '' and '-' or '(' .. ARGV[2], '+', 'BYLEX', 'LIMIT', 0, ARGV[4])
local last, best, heir = names[#names], nil, ''
names[#names + 1] = ARGV[3] ~= '' and ARGV[3] or nil
for _, name in ipairs(names) do
  local text = name ~= ARGV[1] and redis.call('HGET', KEYS[1], name)
  local one = text and member(text)
  if one and (not best or rank[one.role] > rank[best.role] or
      rank[one.role] == rank[best.role] and tonumber(one.joined) < tonumber(best.joined)) then
    best, heir = one, name
  end
end
return {last or '', heir}
