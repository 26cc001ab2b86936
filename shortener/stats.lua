-- stats.lua - a link's counters and one series of them.
-- KEYS[1]  sh:clk:{pNNN}:<code>
-- ARGV     code, unit ('minute', 'hour' or 'day'), the first bucket, the last
-- {total, bots, {unique of each day}, {clicks and bots of each bucket}}
local unit, first, last = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local service, tag = string.match(KEYS[1], '^(%w+):clk:(%b{}):')
local all = redis.call('HGETALL', KEYS[1])
local totals, uniques, series = {}, {}, {}
for i = 1, #all, 2 do
  totals[all[i]] = all[i + 1]
  if string.sub(all[i], 1, 1) == 'u' then uniques[#uniques + 1] = tonumber(all[i + 1]) end
end

local name, fields = nil, {}
local function read()
  if not name then return end
  for i, v in ipairs(redis.call('HMGET', name, unpack(fields))) do
    series[#series + 1] = tonumber(v or 0)
  end
end
for bucket = first, last do
  if unit == 'day' then
    series[#series + 1] = tonumber(totals['d' .. bucket] or 0)
    series[#series + 1] = tonumber(totals['d' .. bucket .. 'b'] or 0)
  else
    local kind, span = 'clm', 60
    if unit == 'hour' then kind, span = 'clh', 24 end
    local key = service .. ':' .. kind .. ':' .. tag .. ':' .. ARGV[1] .. ':' .. math.floor(bucket / span)
    if key ~= name then
      read()
      name, fields = key, {}
    end
    fields[#fields + 1] = bucket
    fields[#fields + 1] = bucket .. 'b'
  end
end
read()
return {tonumber(totals['t'] or 0), tonumber(totals['tb'] or 0), uniques, series}
