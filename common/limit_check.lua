-- limit_check.lua - may these pass?  Every limit of a check lets it pass, or
-- none is charged.
-- KEYS     the state of each limit, all of one partition; then, if asked for,
--          where this answer is kept
-- ARGV     limits n, checks m, how long the answer is kept (ms; '': not), what
--          the limits are, in the asker's words; the limits; per check its cost
--          under each limit
-- {now, per check: passed (0, 1), per limit: passed, a, b, c} (limit_law.h).
-- One that was kept: a text, the limits in those words and the numbers.  {0,
-- limit, version} when its state is of another version.
local n, m, keep = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
if keep ~= '' then
  local kept = redis.call('GET', KEYS[n + 1])
  if kept then return kept end
end
-- include limit_state.lua

-- When a cost that does not fit now would.
local function log_free_at(limit, key, cost)
  local from = 1
  while true do
    local some = redis.call('LRANGE', key, from, from + 99)
    for _, entry in ipairs(some) do
      local at, sum = match(entry, '^(%d+) (%d+)')
      if limit.sum - sum + cost <= limit.rate then return at + limit.per end
    end
    if #some < 100 then return now + limit.per end
    from = from + 100
  end
end

local limits = {}
for j = 1, n do
  local limit, other = load(5 + (j - 1) * 9, KEYS[j], '')
  if not limit then return {0, j, other} end
  limits[j] = limit
end

local reply, at, arg = {now}, 1, 5 + n * 9
for _ = 1, m do
  local passed = 1
  for j = 1, n do
    local limit, cost = limits[j], tonumber(ARGV[arg + j - 1])
    limit.fits = cost == 0 or fits(limit, cost)
    if not limit.fits and not limit.shadow then passed = 0 end
  end
  reply[at + 1] = passed
  at = at + 1
  for j = 1, n do
    local limit, cost = limits[j], tonumber(ARGV[arg + j - 1])
    if passed == 1 and limit.fits and cost > 0 then take(limit) end
    reply[at + 1] = limit.fits and 1 or 0
    if limit.kind == 'b' then
      reply[at + 2], reply[at + 3], reply[at + 4] = limit.full, limit.fraction, 0
    elseif limit.kind == 'l' then
      reply[at + 2], reply[at + 3] = limit.sum - limit.base, limit.taken and now or limit.newest
      reply[at + 4] = limit.fits and 0 or log_free_at(limit, KEYS[j], cost)
    else
      reply[at + 2], reply[at + 3], reply[at + 4] = limit.window, limit.used, limit.before
    end
    at = at + 4
  end
  arg = arg + n
end

for j = 1, n do
  if limits[j].dirty then store(limits[j], KEYS[j]) end
end
if keep ~= '' then
  local words = {ARGV[4]}
  for i = 1, at do words[i + 1] = format('%d', reply[i]) end
  redis.call('SET', KEYS[n + 1], table.concat(words, ' '), 'PX', keep)
end
return reply
