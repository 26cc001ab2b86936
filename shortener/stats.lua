-- stats.lua - a link's counters and one series of them.
-- KEYS[1]  sh:clk:{pNNN}:<code>
-- ARGV     code, unit ('minute', 'hour' or 'day'), the first bucket, the last
-- {total, bots, unique, {clicks and bots of each bucket}}; the totals are the
-- sums of the days.
local unit, first, last = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local service, tag = string.match(KEYS[1], '^(%w+):clk:(%b{}):')
local all = redis.call('HGETALL', KEYS[1])
local days, humans, bots, unique, series = {}, 0, 0, 0, {}
for i = 1, #all, 2 do
  local field, value = all[i], tonumber(all[i + 1])
  days[field] = value
  if string.sub(field, 1, 1) == 'u' then unique = unique + value
  elseif string.sub(field, -1) == 'b' then bots = bots + value
  else humans = humans + value end
end

local name, fields = nil, {}
local function read()
  if not name then return end
  for i, v in ipairs(redis.call('HMGET', name, unpack(fields))) do
    series[#series + 1] = tonumber(v or 0)
  end
end
local kind, a_day = 'clm', 1440
if unit == 'hour' then kind, a_day = 'clh', 24 end
for bucket = first, last do
  if unit == 'day' then
    series[#series + 1] = days['d' .. bucket] or 0
    series[#series + 1] = days['d' .. bucket .. 'b'] or 0
  else
    local key = service .. ':' .. kind .. ':' .. tag .. ':' .. ARGV[1] .. ':' .. math.floor(bucket / a_day)
    if key ~= name then
      read()
      name, fields = key, {}
    end
    fields[#fields + 1] = bucket % a_day
    fields[#fields + 1] = bucket % a_day .. 'b'
  end
end
read()
return {humans, bots, unique, series}
