-- nodes_list.lua - the living nodes; writes nothing.
-- KEYS[1]  nodes:<service>
-- ARGV     gone after (ms)
-- {id, seen, started, load, version, address, ...}, by id
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local all, ids, of = redis.call('HGETALL', KEYS[1]), {}, {}
for i = 1, #all, 2 do
  ids[#ids + 1], of[all[i]] = all[i], all[i + 1]
end
table.sort(ids)
local out = {}
for _, id in ipairs(ids) do
  local seen, started, load, version, address = string.match(of[id], '^(%d+) (%d+) (%d+) (%S+) (%S+)$')
  if seen and math.abs(now - seen) < tonumber(ARGV[1]) then
    for _, field in ipairs({id, seen, started, load, version, address}) do out[#out + 1] = field end
  end
end
return out
