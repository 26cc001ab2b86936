-- change.lua - change the record of a link that is there and is the caller's.
-- KEYS     sh:link:{pNNN}:<code>, sh:clk:{pNNN}:<code>: the clicks end with it
-- ARGV     owner ('': whoever), when the key ends ('': keep, '0': never, else
--          ms since 1970), then fields and values; an empty value takes the
--          field away
-- false: no such link; else {the record before, the record after}.
local before = redis.call('GET', KEYS[1])
if not before or string.sub(before, 1, 1) ~= 'u' then return false end

local order, values, at = {}, {}, 1
while at <= #before do
  local field, length, start = string.match(before, '^(.)(%d+):()', at)
  at = start + length
  order[#order + 1] = field
  values[field] = string.sub(before, start, at - 1)
end
if ARGV[1] ~= '' and values.o ~= ARGV[1] then return false end

for i = 3, #ARGV, 2 do
  if not values[ARGV[i]] then order[#order + 1] = ARGV[i] end
  values[ARGV[i]] = ARGV[i + 1]
end
local after = ''
for _, field in ipairs(order) do
  local value = values[field]
  if value ~= '' then after = after .. field .. #value .. ':' .. value end
end

if ARGV[2] == '' then
  redis.call('SET', KEYS[1], after, 'KEEPTTL')
elseif ARGV[2] == '0' then
  redis.call('SET', KEYS[1], after)
  redis.call('PERSIST', KEYS[2])
else
  redis.call('SET', KEYS[1], after, 'PXAT', ARGV[2])
  redis.call('PEXPIREAT', KEYS[2], ARGV[2])
end
if values.u == '' then redis.call('UNLINK', KEYS[2]) end
return {before, after}
