-- clicks.lua - add a batch of clicks, once.
-- KEYS[1]  sh:seq:{pNNN}:<worker>, the number of its last batch here
-- ARGV     number, then per cell: code, minute, humans, bots, visitors
--          (16 hex digits each, one after the other)
-- The other keys are of the same partition: their tag is that of KEYS[1].
-- What is wanted in all is the sum of the days: a call less for each cell.
-- How many clicks could not be counted: a key that is not what it should be
-- costs its own link's clicks, not the batch.
local number = tonumber(ARGV[1])
if number <= tonumber(redis.call('GET', KEYS[1]) or 0) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', 86400)

local service, tag = string.match(KEYS[1], '^(%w+):seq:(%b{}):')
local function prefix(kind) return service .. ':' .. kind .. ':' .. tag .. ':' end
local links, totals, seen = prefix('link'), prefix('clk'), prefix('unq')
local hours, minutes = prefix('clh'), prefix('clm')
local kept_hours, kept_minutes, kept_visitors = 2851200, 176400, 259200 -- s

-- True if the field was not there.
local function add(name, field, humans, bots)
  local new = false
  if humans > 0 then new = redis.call('HINCRBY', name, field, humans) == humans end
  if bots > 0 then new = redis.call('HINCRBY', name, field .. 'b', bots) == bots or new end
  return new
end

local function add_visitors(code, day, visitors)
  local who, name = {}, seen .. code .. ':' .. day
  for v = 1, #visitors, 16 do who[#who + 1] = string.sub(visitors, v, v + 15) end
  if redis.call('PFADD', name, unpack(who)) == 0 then return end
  local count = redis.call('PFCOUNT', name)
  redis.call('HSET', totals .. code, 'u' .. day, count)
  if count <= #who then redis.call('EXPIRE', name, kept_visitors) end
end

local function count(code, minute, humans, bots, visitors)
  local link, total = links .. code, totals .. code
  local day, hour = math.floor(minute / 1440), math.floor(minute / 60) % 24
  -- A link that is gone by now has no counters to add to.
  if redis.call('GETRANGE', link, 0, 0) ~= 'u' then return end
  if add(total, 'd' .. day, humans, bots) then
    local ends = redis.call('PEXPIRETIME', link)
    if ends > 0 then redis.call('PEXPIREAT', total, ends) end
  end
  local name = hours .. code .. ':' .. day
  if add(name, hour, humans, bots) then redis.call('EXPIRE', name, kept_hours) end
  name = minutes .. code .. ':' .. day
  if add(name, minute % 1440, humans, bots) then redis.call('EXPIRE', name, kept_minutes) end
  if visitors ~= '' then add_visitors(code, day, visitors) end
end

local refused = 0
for i = 2, #ARGV, 5 do
  local humans, bots = tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3])
  if not pcall(count, ARGV[i], tonumber(ARGV[i + 1]), humans, bots, ARGV[i + 4]) then
    refused = refused + humans + bots
  end
end
return refused
