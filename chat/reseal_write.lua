-- reseal_write.lua - a part of a room's log, with texts that were sealed anew;
-- the last part puts the new log in the place of the old one.
-- KEYS  the room, its members, its log, what has changed of its messages, the new
--       log
-- ARGV  the key's id, from, to, first (as reseal_read.lua said), how many texts,
--       of each its number and the text; of each change its number, what it was,
--       what it is
-- {done}: 0: something came between, so it is to be read again; 1: there is more;
-- 2: the room is done
local own, from, to, first = ARGV[1], ARGV[2], ARGV[3], ARGV[4] == '1'
local is = redis.call('HGET', KEYS[2], '#')
if not is then return {2} end
local kid, next = string.match(redis.call('HGET', KEYS[1], 'reseal') or '', '^(%S+) (%d+)$')
if first and kid == own or not first and (kid ~= own or next ~= from) then return {0} end

local texts, at, mark = {}, 6, ' \255' .. own .. ' '
for _ = 1, tonumber(ARGV[5]) do
  texts[ARGV[at]] = ARGV[at + 1]
  at = at + 2
end
local entries = redis.call('XRANGE', KEYS[3], from, to)
for _, entry in ipairs(entries) do
  local fields, number = entry[2], string.match(entry[1], '^%d+')
  local what = string.sub(fields[2], 1, 1)
  if texts[number] then
    fields[4] = texts[number]
  elseif what == 'm' or what == 'e' then
    local behind = string.find(fields[4], ' ', 1, true)
    if string.sub(fields[4], behind, behind + #mark - 1) ~= mark then return {0} end
  end
end

if first then redis.call('UNLINK', KEYS[5]) end
for _, entry in ipairs(entries) do redis.call('XADD', KEYS[5], entry[1], unpack(entry[2])) end
for i = at, #ARGV, 3 do
  if redis.call('HGET', KEYS[4], ARGV[i]) == ARGV[i + 1] then redis.call('HSET', KEYS[4], ARGV[i], ARGV[i + 2]) end
end
local seq, middle, oldest, tail = string.match(is, '^(%d+) (%d+) (%d+) (.*) %S+$')
if tonumber(to) < tonumber(seq) then
  redis.call('HSET', KEYS[1], 'reseal', own .. ' ' .. string.format('%d', to + 1))
  return {1}
end
redis.call('XTRIM', KEYS[5], 'MINID', oldest) -- what went meanwhile
if redis.call('EXISTS', KEYS[3], KEYS[5]) == 2 then
  redis.call('RENAME', KEYS[3], KEYS[3] .. ':old')
  redis.call('RENAME', KEYS[5], KEYS[3])
  redis.call('UNLINK', KEYS[3] .. ':old') -- in the background: it may be large
end
redis.call('HDEL', KEYS[1], 'reseal')
redis.call('HSET', KEYS[2], '#', seq .. ' ' .. middle .. ' ' .. oldest .. ' ' .. tail .. ' =' .. own .. '=')
return {2}
