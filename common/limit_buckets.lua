-- limit_buckets.lua - may this pass?  One check of buckets that nobody holds
-- tokens of: what most calls are.  The law of limit_check.lua, without tables
-- and functions, which is a third and more of what Redis has to do.
-- KEYS  the state of each limit, all of one partition
-- ARGV  the cost under each limit; the limits (limit_state.lua)
-- "now passed", then for each limit " passed full part 0"; false: ask
-- limit_check.lua.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local ARGV, format, n = ARGV, string.format, #KEYS
local values = n == 1 and {redis.pcall('GET', KEYS[1])} or redis.call('MGET', unpack(KEYS))

local passed, at, none = 1, n, nil
for j = 1, n do
  local value, cost, part, parts = values[j], tonumber(ARGV[j]), tonumber(ARGV[at + 6]), tonumber(ARGV[at + 7])
  local most, most_part = now + ARGV[at + 8], tonumber(ARGV[at + 9]) -- full, if it were empty now
  local full, fraction, dirty = now, 0, false
  if value then
    if type(value) == 'table' then return false end -- it was a log
    local version, when, rest = string.match(value, '^(%d+) (%d+) (%d+)$')
    if version ~= ARGV[at + 3] then return false end
    full, fraction = tonumber(when), tonumber(rest)
    if full < now then
      full, fraction = now, 0
    elseif full > most or (full == most and fraction > most_part) then
      full, fraction, dirty = most, most_part, true
    end
  elseif n > 1 then
    none = none or {}
    none[#none + 1] = KEYS[j]
  end

  local takes = cost * part
  local more = math.floor(takes / parts)
  local after, after_part = full + cost * ARGV[at + 5] + more, fraction + takes - more * parts
  if after_part >= parts then after, after_part = after + 1, after_part - parts end
  local fits = cost == 0 or after < most or (after == most and after_part <= most_part)
  if not fits and ARGV[at + 2] ~= '1' then passed = 0 end

  -- What was found takes the limit's place, but for its version.
  ARGV[at + 1], ARGV[at + 2] = fits and 1 or 0, fits and cost > 0
  ARGV[at + 4], ARGV[at + 5], ARGV[at + 6] = full, fraction, dirty
  ARGV[at + 7], ARGV[at + 8] = after, after_part
  at = at + 9
end
if none and redis.call('EXISTS', unpack(none)) > 0 then return false end -- MGET is silent about logs

local reply
at = n
for j = 1, n do
  local fits, full, fraction, dirty = ARGV[at + 1], ARGV[at + 4], ARGV[at + 5], ARGV[at + 6]
  if passed == 1 and ARGV[at + 2] then full, fraction, dirty = ARGV[at + 7], ARGV[at + 8], true end
  if dirty then
    redis.call('SET', KEYS[j], format('%s %d %d', ARGV[at + 3], full, fraction), 'PXAT',
               format('%d', full / 1000 + 1))
  end
  if j == 1 then
    reply = format('%d %d %d %d %d 0', now, passed, fits, full, fraction)
  else
    reply = format('%s %d %d %d 0', reply, fits, full, fraction)
  end
  at = at + 9
end
return reply
