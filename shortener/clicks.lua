-- clicks.lua - add a batch of clicks, once.
-- KEYS[1]  sh:seq:{pNNN}:<worker>, the number of its last batch here
-- ARGV     number, then per cell: code, minute, humans, bots, visitors
--          (16 hex digits each, one after the other)
-- The other keys are of the same partition: their tag is that of KEYS[1].
local number = tonumber(ARGV[1])
if number <= tonumber(redis.call('GET', KEYS[1]) or 0) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', 86400)

local service, tag = string.match(KEYS[1], '^(%w+):seq:(%b{}):')
local function key(kind, rest) return service .. ':' .. kind .. ':' .. tag .. ':' .. rest end

local function add(name, field, humans, bots, keep)
  local new
  if humans > 0 then new = redis.call('HINCRBY', name, field, humans) == humans end
  if bots > 0 then new = redis.call('HINCRBY', name, field .. 'b', bots) == bots or new end
  if keep and new then redis.call('EXPIRE', name, keep) end
end

for i = 2, #ARGV, 5 do
  local code, minute = ARGV[i], tonumber(ARGV[i + 1])
  local humans, bots, visitors = tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]), ARGV[i + 4]
  -- A link that is gone by now has no counters to add to.
  if redis.call('HEXISTS', key('link', code), 'u') == 1 then
    local hour = math.floor(minute / 60)
    local day = math.floor(hour / 24)
    local total = key('clk', code)
    add(total, 't', humans, bots)
    add(total, 'd' .. day, humans, bots)
    add(key('clh', code .. ':' .. day), hour, humans, bots, 8640000)
    add(key('clm', code .. ':' .. hour), minute, humans, bots, 180000)
    if visitors ~= '' then
      local who, seen = {}, key('unq', code .. ':' .. day)
      for v = 1, #visitors, 16 do who[#who + 1] = string.sub(visitors, v, v + 15) end
      if redis.call('PFADD', seen, unpack(who)) == 1 then
        redis.call('EXPIRE', seen, 259200)
        redis.call('HSET', total, 'u' .. day, redis.call('PFCOUNT', seen))
      end
    end
  end
end
return 1
