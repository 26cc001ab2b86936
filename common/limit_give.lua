-- limit_give.lua - give back what was charged, once; all of it: a reset.
-- KEYS     the state of the limit, where the id is kept
-- ARGV     the limit; the cost ('all': as if never used), the id ('': none
--          to keep), how long it is kept (ms), the window that it was charged
--          to ('': the one that is), the channel to tell
-- {now, done (0, 1), a, b, c}; {0, 1, version} when the state is of another.
-- Never more than a full bucket, less what workers hold of it.
-- include limit_state.lua
local limit, other = load(1, KEYS[1], '')
if not limit then return {0, 1, other} end
local cost, done = ARGV[10], 1
if ARGV[11] ~= '' and not redis.call('SET', KEYS[2], 1, 'NX', 'PX', ARGV[12]) then done = 0 end

local function give_bucket()
  if cost == 'all' then
    limit.full, limit.fraction = 0, 0
  else
    local us, part = times(limit, tonumber(cost))
    limit.full, limit.fraction = limit.full - us, limit.fraction - part
    if limit.fraction < 0 then limit.full, limit.fraction = limit.full - 1, limit.fraction + limit.parts end
  end
  settle(limit)
  store(limit, KEYS[1])
end

local function give_window()
  local window = ARGV[13] == '' and limit.window or tonumber(ARGV[13])
  if window == limit.window - 1 then limit.before = math.max(0, limit.before - tonumber(cost)) end
  if window ~= limit.window then
    store(limit, KEYS[1])
    return
  end
  local count = cost == 'all' and limit.used + limit.before or tonumber(cost)
  local first = math.min(count, limit.used)
  limit.used = limit.used - first
  limit.before = math.max(0, limit.before - (count - first))
  store(limit, KEYS[1])
end

-- The newest costs go first: who takes back, takes back what was last done.
local function give_log()
  if cost == 'all' then
    redis.call('DEL', KEYS[1])
    limit.sum, limit.base = 0, 0
    return
  end
  local count = math.min(tonumber(cost), limit.sum - limit.base)
  limit.sum = limit.sum - count
  while count > 0 do
    local at, sum, version = match(redis.call('LINDEX', KEYS[1], -1), '^(%d+) (%d+) (%d+)$')
    local before = tonumber(match(redis.call('LINDEX', KEYS[1], -2), '^%d+ (%d+)'))
    local own = math.min(count, sum - before)
    if own == sum - before then redis.call('RPOP', KEYS[1])
    else redis.call('LSET', KEYS[1], -1, format('%s %d %s', at, sum - own, version)) end
    count = count - own
  end
end

if done == 1 then
  if limit.kind == 'b' then give_bucket() elseif limit.kind == 'l' then give_log() else give_window() end
  redis.call('SPUBLISH', ARGV[14], KEYS[1])
end
if limit.kind == 'b' then return {now, done, limit.full, limit.fraction, 0} end
if limit.kind == 'l' then return {now, done, limit.sum - limit.base, limit.newest, 0} end
return {now, done, limit.window, limit.used, limit.before}
