-- source_read.lua - the entries of a source that are to be published next:
-- what is pending, from the beginning, and new ones only if nothing is.
-- KEYS  the stream, and what is known of it: a hash
-- ARGV  the worker, how long it is the reader (ms), how many entries at most,
--       at how many bytes they are enough, how many of one are too many
-- {}: another worker reads it.  Else {generation, {id, {field, value, …}}, …};
-- an entry that is gone has nil there, one that is too large its bytes.
-- The generation is a time in us: a stream that was made anew may give ids
-- again, and their entries are others.  It is known by being gone, or by having
-- been given fewer entries than were read.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local worker, till, generation, count = unpack(redis.call('HMGET', KEYS[2], 'worker', 'until', 'generation', 'count'))
count = count or 0
local life = tonumber(ARGV[2]) * 1000
if worker and worker ~= ARGV[1] and tonumber(till) > now then return {} end
if worker ~= ARGV[1] or tonumber(till) < now + life / 2 then
  redis.call('HSET', KEYS[2], 'worker', ARGV[1], 'until', string.format('%d', now + life))
end

local function read(from)
  return redis.pcall('XREADGROUP', 'GROUP', 'notifier', 'hub', 'COUNT', 1, 'STREAMS', KEYS[1], from)
end

local function is_made_anew()
  if redis.call('EXISTS', KEYS[1]) == 0 then return true end
  local info = redis.call('XINFO', 'STREAM', KEYS[1])
  for i = 1, #info, 2 do
    if info[i] == 'entries-added' then return info[i + 1] < tonumber(count) end
  end
end

local function begin()
  generation = string.format('%d', now)
  redis.call('HSET', KEYS[2], 'generation', generation)
end

local function make_group()
  if is_made_anew() then begin() end
  redis.call('HSET', KEYS[2], 'count', 0)
  redis.call('XGROUP', 'CREATE', KEYS[1], 'notifier', 0, 'MKSTREAM')
end

local function size_of(fields)
  local size = 0
  for _, text in ipairs(fields) do size = size + #text end
  return size
end

if not generation then begin() end
local entries, bytes, new, from = {}, 0, 0, '0'
while #entries < tonumber(ARGV[3]) and bytes < tonumber(ARGV[4]) do
  local reply = read(from)
  if reply and reply.err then
    if string.sub(reply.err, 1, 7) ~= 'NOGROUP' then return reply end
    make_group()
  else
    local entry = reply and reply[1][2][1]
    if entry then
      local size = entry[2] and size_of(entry[2]) or 0
      if size > tonumber(ARGV[5]) then entry[2], size = size, 0 end
      table.insert(entries, entry)
      bytes = bytes + size
      if from == '>' then new = new + 1 else from = entry[1] end
    elseif from == '0' then
      from = '>'
    else
      break
    end
  end
end
if new > 0 then redis.call('HINCRBY', KEYS[2], 'count', new) end
return {generation, unpack(entries)}
