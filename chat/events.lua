-- events.lua - what a room's log holds from a number on.
-- KEYS  its members, its log, what has changed of its messages
-- ARGV  who asks ('': a worker, for what it knows), the number, how many entries
--       at most, and after how many bytes of them to stop
-- {why not}: a problem's type; else {the room as record.lua has it, entries: {id,
-- head, text ('': none)}, …}.  Of what was deleted the head is there.
local is = redis.call('HMGET', KEYS[1], '#', ARGV[1])
if not is[1] then return {'no-such-room'} end
if ARGV[1] ~= '' and not is[2] then
  return {string.find(is[1], ' u %d %d+ %S+$') and 'not-a-member' or 'no-such-room'}
end
local seq, oldest = string.match(is[1], '^(%d+) %d+ (%d+)')
local from, most, room = math.max(tonumber(ARGV[2]), tonumber(oldest)), tonumber(ARGV[3]), tonumber(ARGV[4])
local to, entries = math.min(tonumber(seq), from + most - 1), {}
if from > to then return {is[1], entries} end

local function put(id, head, text)
  if room <= 0 then return end
  room = room - #text - #head
  entries[#entries + 1] = {id, head, text}
end
local function fill(upto) -- numbers that are not in the log any more
  for number = from, upto do
    local ts, head = string.match(redis.call('HGET', KEYS[3], number) or '', '^d (%d+) (.*)$')
    if ts then put(string.format('%d-', number) .. ts, head, '') end
  end
end
for _, found in ipairs(redis.call('XRANGE', KEYS[2], from, to)) do
  local number = tonumber(string.match(found[1], '^%d+'))
  if number > from then fill(number - 1) end
  put(found[1], found[2][2], found[2][4] or '')
  from = number + 1
end
if from <= to then fill(to) end
return {is[1], entries}
