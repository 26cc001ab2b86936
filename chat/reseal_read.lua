-- reseal_read.lua - the next texts of a room that another key is to seal.
-- KEYS  the room, its members, its log, what has changed of its messages
-- ARGV  the key's id, how many entries at most, and after how many bytes to stop
-- {why not}: a problem's type; else {from, to: numbers of the log, 1: it is the
-- first part, else 0, texts, changes}; texts: {number, head, text}, …, changes:
-- {number, FROM, change}, …, of messages by FROM that were edited.
local is = redis.call('HGET', KEYS[2], '#')
if not is then return {'no-such-room'} end
local seq, oldest = string.match(is, '^(%d+) %d+ (%d+)')
local kid, next = string.match(redis.call('HGET', KEYS[1], 'reseal') or '', '^(%S+) (%d+)$')
local first = kid ~= ARGV[1]
local from, room = first and oldest or next, tonumber(ARGV[3])
local to, mark, texts, changes = seq, ' \255' .. ARGV[1] .. ' ', {}, {}

local function is_old(text)
  local at = string.find(text, ' ', 1, true)
  return string.sub(text, at, at + #mark - 1) ~= mark
end
local function change_of(number, author)
  local change = redis.call('HGET', KEYS[4], number)
  local text = change and string.match(change, '^[1-9]%d* %d (.*)$')
  if not text or not is_old(text) then return end
  changes[#changes + 1] = {number, author, change}
  room = room - #change
end

local entries = redis.call('XRANGE', KEYS[3], from, '+', 'COUNT', ARGV[2])
for i, entry in ipairs(entries) do
  local number, head, text = string.match(entry[1], '^%d+'), entry[2][2], entry[2][4]
  local what, author = string.match(head, '^(%a) (%S+)')
  if (what == 'm' or what == 'e') and is_old(text) then
    texts[#texts + 1] = {number, head, text}
    room = room - #text
  end
  if what == 'm' then
    change_of(number, author)
  elseif what == 'e' then
    change_of(string.match(head, '^%a %S+ %d+ (%d+)'), author)
  end
  if i == tonumber(ARGV[2]) or room <= 0 then
    to = number
    break
  end
end
return {from, to, first and 1 or 0, texts, changes}
