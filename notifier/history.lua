-- history.lua - what a log holds from a place on.
-- KEYS[1]  the log
-- ARGV     the epoch and the offset of the place, how many entries at most,
--          and after how many bytes of them to stop
-- {}: there is no log.  Else {its epoch, its last offset, entries}, from the
-- place on if the log is of its epoch, else from its epoch's first.
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if not last then return {} end
local epoch, offset = string.match(last[1], '^(%d+)-(%d+)$')
local from = epoch .. '-' .. (epoch == ARGV[1] and ARGV[2] or '0')
local most, room, out = tonumber(ARGV[3]), tonumber(ARGV[4]), {}
while #out < most and room > 0 do
  local some = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', math.min(16, most - #out))
  for i = 1, #some do
    if room > 0 then
      out[#out + 1] = some[i]
      room = room - #some[i][2][4]
      from = '(' .. some[i][1]
    end
  end
  if #some < 16 then break end
end
return {epoch, offset, out}
