-- limit_state.lua - the states of limits, for the scripts that include it.
-- A limit stands in nine of ARGV: kind, shadow (0, 1), version, loose (0, 1: a
-- state of another version is taken as it is), five numbers:
--   b        a token's time: us, part, parts; the whole bucket's: us, part
--   f, s, l  per (us), rate
-- A key has one state, of the kind that its limit was when it was last used: so
-- it is not read before its version is known to be the limit's.
-- Most of what a script costs is the tables it makes: they are made whole.
local floor, match, format = math.floor, string.match, string.format
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

-- A bucket, "version full part", then for each that holds tokens of it "holder
-- count sequence ends" (ms).  It is full at a time: now, if it is at rest.  What
-- is held does not fill up again, and a clock that stepped back leaves the
-- bucket empty at the worst.

-- The time of so many tokens: us, part.
local function times(limit, count)
  local parts = count * limit.part
  local more = floor(parts / limit.parts)
  return count * limit.whole + more, parts - more * limit.parts
end

-- So many tokens were taken at a time at the latest.
local function at_least(limit, at, count)
  local us, part = times(limit, count)
  if limit.full < at + us or (limit.full == at + us and limit.fraction < part) then
    limit.full, limit.fraction = at + us, part
  end
end

local function version_of_log(key)
  return match(redis.call('LINDEX', key, -1), '(%d+)$')
end

local function load_bucket(limit, key, me)
  local value = redis.pcall('GET', key)
  if not value then return end
  if type(value) == 'table' then return version_of_log(key) end
  local version, full, fraction, holders = match(value, '^(%d+) (%d+) (%d+)(.*)$')
  if version ~= limit.version then
    if not limit.loose then return version end
    fraction = 0
  end
  limit.full, limit.fraction = tonumber(full), tonumber(fraction)
  if holders == '' then return end
  local all = {}
  for text, holder, count, sequence, ends in string.gmatch(holders, '( (%w+) (%d+) (%d+) (%d+))') do
    all[#all + 1] = {text = text, count = tonumber(count), ends = tonumber(ends)}
    if holder == me then all[#all].me, limit.seen = true, tonumber(sequence) end
  end
  for _, one in ipairs(all) do
    if one.ends * 1000 > now then
      limit.held = limit.held + one.count
      if one.me then
        limit.mine = one.count
      else
        limit.holders = limit.holders .. one.text
        limit.ends = math.max(limit.ends, one.ends)
      end
    else -- it may have spent them at its very end, and others held theirs
      local held = 0
      for _, other in ipairs(all) do
        if other.ends >= one.ends then held = held + other.count end
      end
      at_least(limit, one.ends * 1000, held)
    end
  end
end

-- Not before now and what is held; not later than an empty bucket is, which is
-- noted at once: from then on it fills again.
local function settle(limit)
  local most = now + limit.room
  at_least(limit, now, limit.held)
  if limit.full > most or (limit.full == most and limit.fraction > limit.room_part) then
    limit.full, limit.fraction, limit.dirty = most, limit.room_part, true
  end
end

-- A window, "version number used used-before".
local function load_window(limit, key)
  limit.window, limit.used, limit.before = floor(now / limit.per), 0, 0
  local value = redis.pcall('GET', key)
  if not value then return end
  if type(value) == 'table' then return version_of_log(key) end
  local version, window, used, before = match(value, '^(%d+) (%d+) (%d+) ?(%d*)')
  if version ~= limit.version and not limit.loose then return version end
  window = tonumber(window)
  if window >= limit.window then
    limit.used, limit.before = tonumber(used), tonumber(before) or 0
    limit.dirty = window > limit.window -- the clock stepped back: of this one now
  elseif window == limit.window - 1 then
    limit.before = tonumber(used)
  end
end

-- The clock stepped back: what was later is of now.
local function log_steps_back(limit, key)
  local entries = redis.call('LRANGE', key, 0, -1)
  redis.call('DEL', key)
  for _, entry in ipairs(entries) do
    local at, rest = match(entry, '^(%d+)( .*)$')
    redis.call('RPUSH', key, format('%d', math.min(now, at)) .. rest)
  end
  redis.call('PEXPIREAT', key, floor((now + limit.per) / 1000) + 1)
  limit.newest = now
end

-- A log, entries "time sum version", the sum being of all costs up to there.
-- What has ended goes, but for the last of it, which the others count from.
local function load_log(limit, key)
  limit.sum, limit.base, limit.newest = 0, 0, 0
  local last = redis.pcall('LINDEX', key, -1)
  if not last then return end
  if type(last) == 'table' then return match(redis.call('GET', key), '^%d+') end
  local newest, sum, version = match(last, '^(%d+) (%d+) (%d+)$')
  if version ~= limit.version and not limit.loose then return version end
  while true do
    local at = match(redis.call('LINDEX', key, 1) or '', '^%d+')
    if not at or tonumber(at) > now - limit.per then break end
    redis.call('LPOP', key)
  end
  limit.sum, limit.newest = tonumber(sum), tonumber(newest)
  if limit.newest > now then log_steps_back(limit, key) end
  limit.base = tonumber(match(redis.call('LINDEX', key, 0), '^%d+ (%d+)'))
end

-- The limit at ARGV[at] with its state; or nothing, and the version it has.
-- me: the holder that asks; what it held is in limit.mine, too.
local function load(at, key, me)
  local limit, other
  if ARGV[at] == 'b' then
    limit = {
      kind = 'b', shadow = ARGV[at + 1] == '1', version = ARGV[at + 2], loose = ARGV[at + 3] == '1',
      whole = tonumber(ARGV[at + 4]), part = tonumber(ARGV[at + 5]), parts = tonumber(ARGV[at + 6]),
      room = tonumber(ARGV[at + 7]), room_part = tonumber(ARGV[at + 8]),
      full = now, fraction = 0, holders = '', held = 0, ends = 0, seen = 0, mine = 0, dirty = false,
    }
    other = load_bucket(limit, key, me)
    if not other then settle(limit) end
  else
    limit = {kind = ARGV[at], shadow = ARGV[at + 1] == '1', version = ARGV[at + 2], loose = ARGV[at + 3] == '1',
             per = tonumber(ARGV[at + 4]), rate = tonumber(ARGV[at + 5])}
    if limit.kind == 'l' then other = load_log(limit, key) else other = load_window(limit, key) end
  end
  if other then return nil, tonumber(other) end
  return limit
end

-- x * y <= u * v, of up to 2^30 times up to 2^45: in two limbs of 23 bits.
local function product_at_most(x, y, u, v)
  local limb = 8388608
  local low, other = x * (y % limb), u * (v % limb)
  local high = x * floor(y / limb) + floor(low / limb)
  local over = u * floor(v / limb) + floor(other / limb)
  return high < over or (high == over and low % limb <= other % limb)
end

-- Does cost fit?  The state behind it is left in limit.next, next_fraction.
local function fits(limit, cost)
  if limit.kind == 'b' then
    local us, part = times(limit, cost)
    local full, fraction = limit.full + us, limit.fraction + part
    if fraction >= limit.parts then full, fraction = full + 1, fraction - limit.parts end
    limit.next, limit.next_fraction = full, fraction
    local room = now + limit.room
    return full < room or (full == room and fraction <= limit.room_part)
  elseif limit.kind == 'l' then
    limit.next = limit.sum + cost
    return limit.next - limit.base <= limit.rate
  end
  limit.next = limit.used + cost
  if limit.next > limit.rate then return false end
  if limit.kind == 'f' or limit.before == 0 then return true end
  local into = now - limit.window * limit.per
  return product_at_most(limit.before, limit.per - into, limit.rate - limit.next, limit.per)
end

-- Take what fits() has found to fit.
local function take(limit)
  if limit.kind == 'b' then limit.full, limit.fraction = limit.next, limit.next_fraction
  elseif limit.kind == 'l' then limit.sum = limit.next
  else limit.used = limit.next end
  limit.dirty, limit.taken = true, true
end

-- States end by themselves, not before they are as if they had never been.
local function store(limit, key)
  if limit.kind == 'b' then
    local ends = floor(limit.full / 1000) + 1
    if limit.ends > 0 then -- what is held may be spent at its end, and fills from then
      ends = math.max(ends, limit.ends + floor(limit.room / 1000) + 2)
    end
    redis.call('SET', key, format('%s %d %d%s', limit.version, limit.full, limit.fraction, limit.holders), 'PXAT', ends)
  elseif limit.kind == 'l' then
    local at = math.max(now, limit.newest)
    if limit.newest == 0 then redis.call('RPUSH', key, '0 0 ' .. limit.version) end
    redis.call('RPUSH', key, format('%d %d %s', at, limit.sum, limit.version))
    redis.call('PEXPIREAT', key, floor((at + limit.per) / 1000) + 1)
    limit.newest = at
  else
    local after = limit.kind == 'f' and 1 or 2
    redis.call('SET', key, format('%s %d %d %d', limit.version, limit.window, limit.used, limit.before),
               'PXAT', floor((limit.window + after) * limit.per / 1000) + 1)
  end
end
