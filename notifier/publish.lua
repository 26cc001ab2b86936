-- publish.lua - one update of one topic: into its log, its reference into the
-- partition's, and the wake-up, all or nothing.
-- KEYS  the log, the partition's references, then, if the update has an id of
--       its publisher's, where that is remembered, or if it is a source's
--       entry, the partition's places in sources: a hash
-- ARGV  the record (record.h), the topic, the epochs that the worker knows of
--       the log, with its last offset, and of the references ('': none), how
--       many entries the log keeps (about), its life (ms), how many references
--       (about), the channel to wake, how long an id is remembered (ms); of an
--       entry: its source, that one's generation, its id there, and the one
--       before it of this partition that is still to be acknowledged ('': none)
-- {the log's id, ts (ms), replayed (0, 1), the references' id}; of an entry
-- that was there the first is 0-0.
-- An id of a stream is "epoch-offset".  Offsets of an epoch count from 1 and
-- have no holes, and an epoch, a time in us, never comes twice: a stream that
-- is gone begins a new one, and so does one of which a worker knows a later
-- epoch (Redis lost it, and its clock stepped back), or a later offset (Redis
-- lost its end).
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local ts = string.format('%d', math.floor(now / 1000))
local source, generation, entry, before = ARGV[11], ARGV[12], ARGV[13], ARGV[14]

-- Of ids of streams, whose parts are too large for Lua's numbers: is a's later?
local function is_after(a, b)
  local a1, a2 = string.match(a, '^(%d+)-(%d+)$')
  local b1, b2 = string.match(b, '^(%d+)-(%d+)$')
  if a1 == b1 then a1, b1 = a2, b2 end
  if #a1 ~= #b1 then return #a1 > #b1 end
  return a1 > b1
end

if source then
  local place = redis.call('HGET', KEYS[3], source) or generation .. ' 0-0'
  local of, had = string.match(place, '^(%d+) (%S+)$')
  if tonumber(of) < tonumber(generation) then had = '0-0' end
  if tonumber(of) > tonumber(generation) or not is_after(entry, had) then return {'0-0', ts, 1, ''} end
  if before ~= '' and is_after(before, had) then return redis.error_reply('ORDER the entry before it is missing') end
elseif KEYS[3] then
  local seen = redis.call('GET', KEYS[3])
  if seen then
    local id, at = string.match(seen, '^(%S+) (%d+)$')
    return {id, at, 1, ''}
  end
end

local function add(key, epoch, known, most, ...)
  local id = epoch ~= '' and redis.pcall('XADD', key, 'NOMKSTREAM', 'MAXLEN', '~', most, epoch .. '-*', ...)
  if type(id) ~= 'string' then -- there is none, or none of such an epoch
    local last = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
    id = last and string.match(last[1], '^%d+') .. '-*' or string.format('%d-1', math.max(now, (tonumber(epoch) or 0) + 1))
  elseif tonumber(string.sub(id, #epoch + 2)) <= known then
    redis.call('XDEL', key, id) -- of an earlier epoch it would be 0
    id = string.format('%d-1', math.max(now, epoch + 1))
  else
    return id
  end
  return redis.call('XADD', key, 'MAXLEN', '~', most, id, ...)
end

local id = add(KEYS[1], ARGV[3], tonumber(ARGV[4]), ARGV[6], 'ts', ts, 'record', ARGV[1])
local life = tonumber(ARGV[7])
if redis.call('PTTL', KEYS[1]) < life then redis.call('PEXPIRE', KEYS[1], life * 2) end
local reference = add(KEYS[2], ARGV[5], 0, ARGV[8], 'topic', ARGV[2], 'id', id)
if source then
  redis.call('HSET', KEYS[3], source, generation .. ' ' .. entry)
elseif KEYS[3] then
  redis.call('SET', KEYS[3], id .. ' ' .. ts, 'PX', ARGV[10])
end
redis.call('SPUBLISH', ARGV[9], reference .. ' ' .. id .. ' ' .. ts .. ' ' .. ARGV[1])
return {id, ts, 0, reference}
