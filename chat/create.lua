-- create.lua - a room, unless it is there.
-- KEYS  the room, its members, its log, the names of its members, of a public
--       one the partition's public rooms; all rooms are named beside them
-- ARGV  kind (u, v, d: record.lua), name, topic, the room's id, the channel to
--       wake, then who is in it, the one who makes it first
-- {made (0, 1), the room and the one who makes it ('': it is none of its members)
-- as record.lua has them, name, topic, created_at (ms), keep_ms}
local kind, room, channel = ARGV[1], ARGV[4], ARGV[5]
local made = redis.call('EXISTS', KEYS[2]) == 0
if made then
  local time = redis.call('TIME')
  local now = string.format('%d', time[1] * 1000 + math.floor(time[2] / 1000))
  local users = #ARGV - 5
  redis.call('HSET', KEYS[1], 'name', ARGV[2], 'topic', ARGV[3], 'created', now, 'by', ARGV[6], 'owners', kind == 'd' and 0 or 1)
  redis.call('HSET', KEYS[2], '#', users .. ' ' .. now .. ' 1 0 ' .. users .. ' 0 ' .. kind .. ' 0 0 =')
  redis.call('SADD', 'ch:all:' .. string.match(KEYS[1], '%b{}'), room)
  if KEYS[5] then redis.call('ZADD', KEYS[5], 0, room) end
  for i = 1, users do
    local name, role = ARGV[5 + i], kind == 'd' and 'm' or i == 1 and 'o' or 'm'
    local entry = 'j ' .. ARGV[6] .. ' 0 ' .. name .. ' joined ' .. role
    redis.call('XADD', KEYS[3], i .. '-' .. now, 'e', entry)
    redis.call('HSET', KEYS[2], name, users .. ' 0 ' .. users .. ' 0 ' .. role .. ' ' .. i .. ' 0 0')
    redis.call('ZADD', KEYS[4], 0, name)
    redis.call('SPUBLISH', channel, room .. ' ' .. i .. ' ' .. now .. ' 1 ' .. entry .. '\n')
  end
end
local is = redis.call('HMGET', KEYS[1], 'name', 'topic', 'created')
return {made and 1 or 0, redis.call('HGET', KEYS[2], '#'), redis.call('HGET', KEYS[2], ARGV[6]) or '',
  is[1], is[2], is[3], redis.call('HGET', KEYS[1], 'keep_ms') or '0'}
