-- wrote.lua - what a user wrote in a room, some of it, be it in it still or not:
-- its messages as they are now, its edits, its reactions that stand.
-- KEYS  its members, its log, what has changed of its messages, the room
-- ARGV  the user, how many at most, after how many bytes of them to stop, the
--       number to go on behind
-- {why not}: a problem's type; else {the room as record.lua has it, the number
-- to go on from ('': that was all), by number: {id, head, text ('': none), the
-- change of it ('': none; 'd': deleted)}, …}
local STEP, STEPS_MAX = 128, 8
local user, most, bytes, from = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local is = redis.call('HGET', KEYS[1], '#')
if not is then return {'no-such-room'} end
local seq, oldest = string.match(is, '^(%d+) %d+ (%d+)')
seq, from = tonumber(seq), math.max(from + 1, tonumber(oldest))

local function stands(number, target, emoji)
  local reactions = string.gsub(KEYS[4], '^ch:room', 'ch:reactions', 1) .. ':' .. target
  local since = redis.call('HGET', reactions, emoji .. ' ' .. user)
  return since and string.match(since, '^%d+') == number
end

-- Its own entry of that number, or nil.
local function own(number, found, change)
  local ts, head = string.match(change or '', '^d (%d+) (.*)$')
  if found then head = found[2][2] end
  local kind, by, target, rest = string.match(head or '', '^([mer]) (%S+) %d+ (%d+) ?(.*)$')
  if by ~= user then return end
  if not found then return {number .. '-' .. ts, head, '', 'd'} end
  local emoji = kind == 'r' and string.match(rest, '^1 (.*)$')
  if kind == 'r' and not (emoji and stands(number, target, emoji)) then return end
  return {found[1], head, found[2][4] or '', change or ''}
end

local out = {}
for _ = 1, STEPS_MAX do
  local to, numbers, by = math.min(from + STEP - 1, seq), {}, {}
  if from > to then return {is, '', out} end
  for number = from, to do numbers[#numbers + 1] = string.format('%d', number) end
  local changes = redis.call('HMGET', KEYS[3], unpack(numbers))
  for _, found in ipairs(redis.call('XRANGE', KEYS[2], from, to)) do by[string.match(found[1], '^%d+')] = found end
  for i, number in ipairs(numbers) do
    local item = own(number, by[number], changes[i])
    if item then
      out[#out + 1] = item
      bytes = bytes - #item[2] - #item[3] - #item[4]
      if #out >= most or bytes <= 0 then return {is, number, out} end
    end
  end
  from = to + 1
end
return {is, string.format('%d', from - 1), out}
