-- roster_change.lua - who subscribes to one selector: enter, stay or leave.
-- KEYS  the selector's roster, the partition's selectors that have one
-- ARGV  'enter' or 'leave', the subscriber, what is said of it (or, of 'leave',
--       ''), the selector, the channel to wake, the roster's life (ms), how
--       many it has at most, for how long (ms, 0: not) one that has emptied is
--       to tell since when, in its field '-'
-- 1: the roster has changed, and who listens to the partition has been told,
-- with the roster's version, which counts its changes; 0: it was so already, or
-- the roster is full.
local roster, subscriber = KEYS[1], ARGV[2]
local change, said, remember = '+', ARGV[3], tonumber(ARGV[8])
if ARGV[1] == 'enter' then
  redis.call('PEXPIRE', roster, ARGV[6])
  if redis.call('HLEN', roster) > tonumber(ARGV[7]) then return 0 end
  if redis.call('HSET', roster, subscriber, said) == 0 then return 0 end
  redis.call('PEXPIRE', roster, ARGV[6])
  if remember > 0 then redis.call('HDEL', roster, '-') end
  redis.call('SADD', KEYS[2], ARGV[4])
else
  change, said = '-', redis.call('HGET', roster, subscriber)
  if not said then return 0 end
  redis.call('HDEL', roster, subscriber)
end
local version = redis.call('HINCRBY', roster, '', 1)
if redis.call('HLEN', roster) == 1 then
  redis.call('SREM', KEYS[2], ARGV[4])
  if remember > 0 then
    local time = redis.call('TIME')
    redis.call('HSET', roster, '-', string.format('%d', time[1] * 1000 + math.floor(time[2] / 1000)))
    redis.call('PEXPIRE', roster, ARGV[8])
  end
end
redis.call('SPUBLISH', ARGV[5], string.format('@%d %s %s %d ', version, change, subscriber, #ARGV[4])
  .. ARGV[4] .. said)
return 1
