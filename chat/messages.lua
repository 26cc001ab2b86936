-- messages.lua - messages of a room as they are now, some of them.
-- KEYS  its members, its log, what has changed of its messages, the room
-- ARGV  who asks, how many at most, after how many bytes of them to stop, how
--       (before, after, around), of which number, of which thread (0: of the
--       room; else not around)
-- {why not}: a problem's type; else {the room as record.lua has it, the number
-- to go on from ('': there are no more that way), messages by number: {id, head,
-- text ('': none), the change of it ('': none; 'd': deleted), reactions: "EMOJI
-- USER", …}, …}
local STEP, STEPS_MAX = 128, 32
local is = redis.call('HMGET', KEYS[1], '#', ARGV[1])
if not is[1] then return {'no-such-room'} end
if not is[2] then return {string.find(is[1], ' u %d %d+ %S+$') and 'not-a-member' or 'no-such-room'} end
local seq, oldest = string.match(is[1], '^(%d+) %d+ (%d+)')
seq, oldest = tonumber(seq), tonumber(oldest)
local limit, bytes, how, at = tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local root = tonumber(ARGV[6])

local function beside(what, id)
  return string.gsub(KEYS[4], '^ch:room', 'ch:' .. what, 1) .. ':' .. id
end

-- The message among these, the change of it; or nil.
local function message(number, found, change)
  if found and string.sub(found[2][2], 1, 2) == 'm ' then
    local item = {found[1], found[2][2], found[2][4] or '', change or '', {}}
    if change and string.find(change, '^%d+ 1') then item[5] = redis.call('HKEYS', beside('reactions', number)) end
    bytes = bytes - #item[2] - #item[3] - #item[4]
    return item
  end
  local ts, head = string.match(change or '', '^d (%d+) (m .*)$')
  if not found and ts then return {number .. '-' .. ts, head, '', 'd', {}} end
end

-- Those of a list of numbers, in its order, until there are enough of them.
local function take(out, numbers, from, to, most)
  local by, changes = {}, redis.call('HMGET', KEYS[3], unpack(numbers))
  for _, found in ipairs(redis.call('XRANGE', KEYS[2], from, to)) do by[string.match(found[1], '^%d+')] = found end
  for i, number in ipairs(numbers) do
    local item = message(number, by[number], changes[i])
    if item then out[#out + 1] = item end
    if #out >= most or bytes <= 0 then return number end
  end
end

-- Steps up or down from a number on; where it ended, '' at the room's end.
local function walk(out, from, by, most)
  for _ = 1, STEPS_MAX do
    local to = by > 0 and math.min(from + STEP - 1, seq) or math.max(from - STEP + 1, oldest)
    if by > 0 and from > seq or by < 0 and from < oldest then return '' end
    local numbers = {}
    for number = from, to, by do numbers[#numbers + 1] = string.format('%d', number) end
    local stopped = take(out, numbers, math.min(from, to), math.max(from, to), most)
    if stopped then
      local ended = by > 0 and tonumber(stopped) >= seq or by < 0 and tonumber(stopped) <= oldest
      return ended and '' or stopped
    end
    from = to + by
  end
  return string.format('%d', from - by)
end

-- The numbers of a thread up or down from one on, one more than are asked for.
local function thread(up)
  local numbers = redis.call('ZRANGE', beside('thread', ARGV[6]), '(' .. ARGV[5], up and '+inf' or '-inf', 'BYSCORE',
    unpack(up and {'LIMIT', 0, limit + 1} or {'REV', 'LIMIT', 0, limit + 1}))
  if up and root > at then table.insert(numbers, 1, ARGV[6]) end
  if not up and root < at then numbers[#numbers + 1] = ARGV[6] end
  return numbers
end

-- Those of a list of numbers; where to go on, '' at its end.
local function follow(out, numbers)
  for i, number in ipairs(numbers) do
    if #out >= limit or bytes <= 0 then return numbers[i - 1] end
    take(out, {number}, number, number, #out + 1)
  end
  return ''
end

local function reversed(list)
  local out = {}
  for i = #list, 1, -1 do out[#out + 1] = list[i] end
  return out
end

local out, next = {}, ''
STEP = math.min(STEP, limit)
if root > 0 then
  next = follow(out, thread(how == 'after'))
  if how == 'before' then out = reversed(out) end
elseif how == 'before' then
  next = walk(out, math.min(at - 1, seq), -1, limit)
  out = reversed(out)
elseif how == 'after' then
  next = walk(out, math.max(at + 1, oldest), 1, limit)
else
  local before = {}
  walk(before, math.min(at - 1, seq), -1, math.floor(limit / 2))
  out = reversed(before)
  next = walk(out, math.max(at, oldest), 1, limit)
end
return {is[1], next, out}
