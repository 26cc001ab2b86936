-- trim.lua - forget what a manifest that is on the disk has.  May run twice, or
-- in part: entries go last, and say what else is to go.
-- KEYS     se:shard:{pNNN}:<uuid>, se:log:…, se:recent:…
-- ARGV     the manifest's generation and position, how many entries at most
-- -1: there is no such shard, or a later manifest was there; else how many went
local meta = redis.call('HMGET', KEYS[1], 'generation', 'mapping_version', 'seq', 'bytes')
if not meta[2] or tonumber(meta[1]) > tonumber(ARGV[1]) then return -1 end
redis.call('HSET', KEYS[1], 'generation', ARGV[1])
if tonumber(meta[3]) < tonumber(ARGV[2]) then redis.call('HSET', KEYS[1], 'seq', ARGV[2]) end

local entries = redis.call('XRANGE', KEYS[2], '-', ARGV[2], 'COUNT', ARGV[3])
if #entries == 0 then return 0 end
local bytes, last = tonumber(meta[4]), 0
for _, entry in ipairs(entries) do
  local id, source = entry[2][2], entry[2][8]
  last = tonumber(string.match(entry[1], '^%d+'))
  local recent = redis.call('HGET', KEYS[3], id)
  if recent and tonumber(string.match(recent, ':(%d+)')) == last - 1 then
    redis.call('HDEL', KEYS[3], id)
  end
  bytes = bytes - (source and #source or 0)
end
redis.call('XTRIM', KEYS[2], 'MINID', string.format('%.0f', last + 1))
redis.call('HSET', KEYS[1], 'bytes', string.format('%.0f', bytes))
return #entries
