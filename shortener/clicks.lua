-- clicks.lua - add a batch of clicks, once.
-- KEYS[1]  sh:seq:{pNNN}:<worker>, the number of its last batch here
-- ARGV     number, then per cell: code, minute, humans, bots, visitors
--          (16 hex digits each, one after the other)
-- The other keys are of the same partition: their tag is that of KEYS[1].
-- What is wanted in all is the sum of the days: a call less for each cell.
-- {clicks counted, clicks that could not be}: a key that is not what it should
-- be costs its own link's clicks, not the batch; those of a link that is gone by
-- now are neither.  A batch that was counted before says so again.
local number = tonumber(ARGV[1])
local last, counted, refused = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+) (%d+) (%d+)$')
if last and number <= tonumber(last) then return {tonumber(counted), tonumber(refused)} end
counted, refused = 0, 0

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

local function add_total(code, day, humans, bots)
  if add(totals .. code, 'd' .. day, humans, bots) then
    local ends = redis.call('PEXPIRETIME', links .. code)
    if ends > 0 then redis.call('PEXPIREAT', totals .. code, ends) end
  end
end

local function add_parts(code, minute, humans, bots, visitors)
  local day, hour = math.floor(minute / 1440), math.floor(minute / 60) % 24
  local name = hours .. code .. ':' .. day
  if add(name, hour, humans, bots) then redis.call('EXPIRE', name, kept_hours) end
  name = minutes .. code .. ':' .. day
  if add(name, minute % 1440, humans, bots) then redis.call('EXPIRE', name, kept_minutes) end
  if visitors ~= '' then add_visitors(code, day, visitors) end
end

for i = 2, #ARGV, 5 do
  local code, minute = ARGV[i], tonumber(ARGV[i + 1])
  local humans, bots = tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3])
  local there, first = pcall(redis.call, 'GETRANGE', links .. code, 0, 0)
  if there and first == 'u' then
    if pcall(add_total, code, math.floor(minute / 1440), humans, bots) then
      counted = counted + humans + bots
      pcall(add_parts, code, minute, humans, bots, ARGV[i + 4])
    else
      refused = refused + humans + bots
    end
  end
end
redis.call('SET', KEYS[1], number .. ' ' .. counted .. ' ' .. refused, 'EX', 86400)
return {counted, refused}
