-- names.lua - which indexes there are.
-- KEYS     se:indexes: 'i:<name>' -> uuid and what else is known of it, JSON;
--          'd:<uuid>' -> ''  its files are to go
-- ARGV     'add', name, uuid, JSON, how many there may be: '' it is there now,
--          'full', or the uuid of the one that is
--          'drop', name, uuid: 1 it is not any more, 0 another one is
local field = 'i:' .. ARGV[2]
local uuid = string.match(redis.call('HGET', KEYS[1], field) or '', '^%S+')
if ARGV[1] == 'add' then
  if uuid then return uuid end
  if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[5]) then return 'full' end
  redis.call('HSET', KEYS[1], field, ARGV[3] .. ' ' .. ARGV[4])
  return ''
end
if uuid ~= ARGV[3] then return 0 end
redis.call('HDEL', KEYS[1], field)
redis.call('HSET', KEYS[1], 'd:' .. uuid, '')
return 1
