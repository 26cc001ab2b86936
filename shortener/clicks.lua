-- clicks.lua - add a batch of clicks, once.
-- KEYS[1]  sh:seq:{pNNN}:<worker>, the number of its last batch here
-- ARGV     number, then per cell: code, minute, humans, bots, visitors
--          (16 hex digits each, one after the other)
-- The other keys are of the same partition: their tag is that of KEYS[1].
-- What is wanted in all is the sum of the days: a call less for each cell.
local number = tonumber(ARGV[1])
if number <= tonumber(redis.call('GET', KEYS[1]) or 0) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', 86400)

local service, tag = string.match(KEYS[1], '^(%w+):seq:(%b{}):')
local function prefix(kind) return service .. ':' .. kind .. ':' .. tag .. ':' end
local links, totals, times, seen = prefix('link'), prefix('clk'), prefix('clm'), prefix('unq')

-- True if the field was not there.
local function add(name, field, humans, bots)
  local new = false
  if humans > 0 then new = redis.call('HINCRBY', name, field, humans) == humans end
  if bots > 0 then new = redis.call('HINCRBY', name, field .. 'b', bots) == bots or new end
  return new
end

for i = 2, #ARGV, 5 do
  local code, minute = ARGV[i], tonumber(ARGV[i + 1])
  local humans, bots, visitors = tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]), ARGV[i + 4]
  -- A link that is gone by now has no counters to add to.
  if redis.call('GETRANGE', links .. code, 0, 0) == 'u' then
    local hour = math.floor(minute / 60)
    local day = math.floor(hour / 24)
    local today = times .. code .. ':' .. day
    add(totals .. code, 'd' .. day, humans, bots)
    add(today, 'm' .. minute, humans, bots)
    if add(today, 'h' .. hour, humans, bots) then redis.call('EXPIRE', today, 2851200) end
    if visitors ~= '' then
      local who, name = {}, seen .. code .. ':' .. day
      for v = 1, #visitors, 16 do who[#who + 1] = string.sub(visitors, v, v + 15) end
      if redis.call('PFADD', name, unpack(who)) == 1 then
        local count = redis.call('PFCOUNT', name)
        redis.call('HSET', totals .. code, 'u' .. day, count)
        if count <= #who then redis.call('EXPIRE', name, 259200) end
      end
    end
  end
end
return 1
