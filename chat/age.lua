-- age.lua - entries that are older than their rooms keep them.
-- KEYS[1]  the partition's rooms that keep entries for a time, by when (ms) the
--          next one of each is due; the keys of the room that is due are named
--          after it: same tag
-- ARGV[1]  how many entries at most
-- {how many went, is there more to do now (0, 1)}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local room = redis.call('ZRANGE', KEYS[1], 0, string.format('%d', now), 'BYSCORE', 'LIMIT', 0, 1)[1]
if not room then return {0, 0} end
local tag = string.match(KEYS[1], '%b{}')
local function key(what, id) return 'ch:' .. what .. ':' .. tag .. ':' .. room .. (id and ':' .. id or '') end

local keep = tonumber(redis.call('HGET', key('room'), 'keep_ms') or '0')
local is = redis.call('HGET', key('members'), '#')
if not is or keep == 0 then
  redis.call('ZREM', KEYS[1], room)
  return {0, 1}
end
local head, oldest, tail = string.match(is, '^(%d+ %d+) (%d+) (.*)$')
local went, to, due = 0, tonumber(oldest), now + keep
for _, entry in ipairs(redis.call('XRANGE', key('log'), '-', '+', 'COUNT', ARGV[1])) do
  local number, ts = string.match(entry[1], '^(%d+)%-(%d+)$')
  if tonumber(ts) + keep > now then
    due = tonumber(ts) + keep
    break
  end
  went, to, due = went + 1, tonumber(number) + 1, now
end
for number = tonumber(oldest), to - 1 do
  local text = string.format('%d', number)
  redis.call('HDEL', key('changes'), text)
  redis.call('UNLINK', key('reactions', text), key('thread', text))
end
if to > tonumber(oldest) then
  local text = string.format('%d', to)
  redis.call('XTRIM', key('log'), 'MINID', text)
  redis.call('HSET', key('members'), '#', head .. ' ' .. text .. ' ' .. tail)
end
redis.call('ZADD', KEYS[1], string.format('%d', due), room)
return {went, due == now and 1 or 0}
