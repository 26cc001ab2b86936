-- member.lua - what a member has read, and what else of it is in no log.
-- KEYS  its members, its log, the mentions of whom it is about
-- ARGV  who does it, the room's id, the channel to wake, then
--         read       number, back (1: it may be earlier than what was read)
--         delivered  number
--         mute       until when (ms; 0: not, -1: for ever)
--         silence    user, until when, 
-- {the member's record now, the room's count}, or {why not}.
-- include record.lua
local user, room, channel, op = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local found = redis.call('HMGET', KEYS[1], '#', user)
local said = found[2]
if not found[1] then return {'no-such-room'} end
local seq, count, kind = string.match(found[1], '^(%d+) %d+ %d+ (%d+) %d+ %d+ (%a)')
if not said then return {kind == 'u' and 'not-a-member' or 'no-such-room'} end
local me, about = member(said), user

-- How many messages there are up to a number.
local function count_to(number)
  local found = redis.call('XRANGE', KEYS[2], number + 1, '+', 'COUNT', 1)[1]
  if not found then return count end
  local what, n = string.match(found[2][2], '^(%a) %S+ (%d+)')
  return what == 'm' and n - 1 or n
end

if op == 'read' then
  local to = math.min(tonumber(ARGV[5]), tonumber(seq))
  if to > tonumber(me.read) or ARGV[6] == '1' and to < tonumber(me.read) then
    me.read, me.n = to, count_to(to)
    me.delivered = math.max(tonumber(me.delivered), to)
    me.mentions = redis.call('ZCOUNT', KEYS[3], '(' .. to, '+inf')
    redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -1001)
  end
elseif op == 'delivered' then
  me.delivered = math.max(tonumber(me.delivered), math.min(tonumber(ARGV[5]), tonumber(seq)))
elseif op == 'mute' then
  me.muted = ARGV[5]
elseif op == 'silence' then
  local mine, other = rank[me.role], redis.call('HGET', KEYS[1], ARGV[5])
  if mine < rank.a or kind == 'd' then return {'not-allowed'} end
  if not other then return {'no-such-member'} end
  me, about = member(other), ARGV[5]
  if rank[me.role] >= mine then return {'not-allowed'} end
  me.silenced = ARGV[6]
end

local record = spell(me)
if about == user and record == said then return {record, count} end
redis.call('HSET', KEYS[1], about, record)
redis.call('SPUBLISH', channel, '@s ' .. room .. ' ' .. about .. ' ' .. record)
return {record, count}
