-- references.lua - what happened in a partition from a place on.
-- KEYS[1]  the partition's references
-- ARGV     the epoch and the offset of the place, how many of them at most,
--          after how many bytes of records to stop, what stands before a
--          topic in the key of its log
-- {}: there are none.  Else {their epoch, the last offset, entries}, from the
-- place on if they are of its epoch, else from their epoch's first.  An entry
-- is {its id, topic, the id in the topic's log, ts, record}; the last two are
-- '' if the log does not hold it any more.
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if not last then return {} end
local epoch, offset = string.match(last[1], '^(%d+)-(%d+)$')
if ARGV[3] == '0' then return {epoch, offset, {}} end
local from = epoch .. '-' .. (epoch == ARGV[1] and ARGV[2] or '0')
local room, out = tonumber(ARGV[4]), {}
for _, reference in ipairs(redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', ARGV[3])) do
  if room <= 0 then break end
  local topic, id = reference[2][2], reference[2][4]
  local entry = redis.call('XRANGE', ARGV[5] .. topic, id, id)[1]
  local ts, record = entry and entry[2][2] or '', entry and entry[2][4] or ''
  out[#out + 1] = {reference[1], topic, id, ts, record}
  room = room - #record
end
return {epoch, offset, out}
