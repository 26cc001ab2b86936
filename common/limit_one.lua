-- limit_one.lua - may this pass?  One check of one bucket that nobody holds
-- tokens of: what most calls are.  The law of limit_check.lua, without tables
-- and functions, which is half of what Redis has to do.
-- KEYS[1]  the state
-- ARGV     the cost, the limit (limit_state.lua)
-- "now passed, passed by this limit, full part 0"; false: ask limit_check.lua.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local part, parts, cost = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[1])
local most, most_part = now + ARGV[9], tonumber(ARGV[10]) -- full, if it were empty now
local full, fraction, dirty = now, 0, false

local value = redis.pcall('GET', KEYS[1])
if type(value) == 'table' then return false end -- it was a log
if value then
  local version, at, rest = string.match(value, '^(%d+) (%d+) (%d+)$')
  if version ~= ARGV[4] then return false end
  full, fraction = tonumber(at), tonumber(rest)
  if full < now then
    full, fraction = now, 0
  elseif full > most or (full == most and fraction > most_part) then
    full, fraction, dirty = most, most_part, true
  end
end

local takes = cost * part
local more = math.floor(takes / parts)
local after, after_part = full + cost * ARGV[6] + more, fraction + takes - more * parts
if after_part >= parts then after, after_part = after + 1, after_part - parts end
local fits = cost == 0 or after < most or (after == most and after_part <= most_part)
if fits and cost > 0 then full, fraction, dirty = after, after_part, true end
if dirty then
  redis.call('SET', KEYS[1], string.format('%s %d %d', ARGV[4], full, fraction), 'PXAT',
             string.format('%d', full / 1000 + 1))
end
return string.format('%d %d %d %d %d 0', now, (fits or ARGV[3] == '1') and 1 or 0, fits and 1 or 0, full, fraction)
