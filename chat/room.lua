-- room.lua - a room, and what somebody is in it.
-- KEYS  its members, the room
-- ARGV  the user
-- {}: there is none; else {the room and the user ('': it is none of its members)
-- as record.lua has them, name, topic, created_at (ms), keep_ms}
local is = redis.call('HMGET', KEYS[1], '#', ARGV[1])
if not is[1] then return {} end
local facts = redis.call('HMGET', KEYS[2], 'name', 'topic', 'created', 'keep_ms')
return {is[1], is[2] or '', facts[1] or '', facts[2] or '', facts[3] or '0', facts[4] or '0'}
