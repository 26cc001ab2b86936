-- history.lua - what a log holds from a place on.
-- KEYS[1]  the log
-- ARGV     the epoch and the offset of the place, how many entries at most
-- {}: there is no log.  Else {its epoch, its last offset, entries}, from the
-- place on if the log is of its epoch, else from its epoch's first.
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if not last then return {} end
local epoch, offset = string.match(last[1], '^(%d+)-(%d+)$')
if ARGV[3] == '0' then return {epoch, offset, {}} end
local from = epoch == ARGV[1] and ARGV[2] or '0'
return {epoch, offset, redis.call('XRANGE', KEYS[1], epoch .. '-' .. from, '+', 'COUNT', ARGV[3])}
