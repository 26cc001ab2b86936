-- limit_lease.lua - tokens for a worker to hold, and those it gives back.
-- KEYS[1]  the state of the limit: a bucket or a window
-- ARGV     the limit; the worker, the number of its call about this state, how
--          many it holds (spent ones are no longer held), how many of a window
--          or a bucket it gives back, the window they are of, how many it
--          wants, in how many parts what is left is to be shared, how long it
--          may hold them (ms)
-- {now, given, a, b, c}; {0, 1, version} when the state is of another.
-- A bucket knows what is held until it ends: what is held and what is left are
-- never more than it holds when full.  A call older than the last one seen
-- changes nothing.
-- include limit_state.lua
local me, sequence, held, back = ARGV[10], tonumber(ARGV[11]), tonumber(ARGV[12]), tonumber(ARGV[13])
local window, want, parts, ttl = tonumber(ARGV[14]), tonumber(ARGV[15]), tonumber(ARGV[16]), tonumber(ARGV[17])
local limit, other = load(1, KEYS[1], me)
if not limit then return {0, 1, other} end

local given = 0
if limit.kind == 'b' then
  if limit.seen >= sequence then return {now, 0, limit.full, limit.fraction, 0} end
  back = math.max(0, math.min(back, limit.mine - held)) -- once, should it come twice
  local us, part = times(limit, back)
  limit.full, limit.fraction = limit.full - us, limit.fraction - part
  if limit.fraction < 0 then limit.full, limit.fraction = limit.full - 1, limit.fraction + limit.parts end
  limit.held = limit.held - limit.mine + held
  settle(limit)
  local token = limit.whole + limit.part / limit.parts
  given = math.min(want, floor((now + limit.room - limit.full) / token / parts))
  while given > 0 and not fits(limit, given) do given = given - 1 end
  if given > 0 then take(limit) end
  if held + given > 0 then
    local ends = floor(now / 1000) + ttl
    limit.holders = format('%s %s %d %d %d', limit.holders, me, held + given, sequence, ends)
    if ends > limit.ends then limit.ends = ends end
  end
  store(limit, KEYS[1])
  return {now, given, limit.full, limit.fraction, 0}
end

if window == limit.window then limit.used = math.max(0, limit.used - back) end
given = math.min(want, floor((limit.rate - limit.used) / parts))
while given > 0 and not fits(limit, given) do given = floor(given / 2) end
if given > 0 then take(limit) end
store(limit, KEYS[1])
return {now, given, limit.window, limit.used, limit.before}
