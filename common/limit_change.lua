-- limit_change.lua - carry a state over from one version of its limit to
-- another, of whatever kind: keep, scale or reset.
--   keep   of a bucket what is left, of a window or log what was used; of
--          another kind what is left, so far as it has room for it
--   scale  the same part of the whole
--   reset  as if never used, but for what workers hold
-- KEYS[1]  the state
-- ARGV     the limit as it was, the limit as it is; 'keep', 'scale' or 'reset'
-- 1, also when the state is no longer of the version that it was.  One of a
-- kind that the limit was not, as far as is known, is all used.
-- include limit_state.lua
local key, how = KEYS[1], ARGV[19]

-- The version and the kind of what is there: 'b', 'f' for both windows, 'l'.
local function look()
  local value = redis.pcall('GET', key)
  if not value then return end
  if type(value) == 'table' then return version_of_log(key), 'l' end
  return match(value, '^%d+'), match(value, '^%d+ %d+ %d+ %d+$') and 'f' or 'b'
end

local version, kind = look()
if version ~= ARGV[3] then return 1 end
local known = kind == (ARGV[1] == 's' and 'f' or ARGV[1])
local old = known and load(1, key, '') or {}
local new = {kind = ARGV[10], version = ARGV[12]}
if new.kind == 'b' then
  new.whole, new.part, new.parts = tonumber(ARGV[14]), tonumber(ARGV[15]), tonumber(ARGV[16])
  new.room, new.room_part = tonumber(ARGV[17]), tonumber(ARGV[18])
else
  new.per, new.rate = tonumber(ARGV[14]), tonumber(ARGV[15])
end
local held = old.held or 0
if how == 'reset' and held == 0 then
  redis.call('DEL', key)
  return 1
end

local function token(limit) return limit.whole + limit.part / limit.parts end
local function whole(limit)
  if limit.kind ~= 'b' then return limit.rate end
  return (limit.room + limit.room_part / limit.parts) / token(limit)
end

-- Tokens, not all of them whole.
local function left()
  if not known then return 0 end
  if old.kind == 'b' then
    return (now + old.room - old.full + (old.room_part - old.fraction) / old.parts) / token(old)
  end
  if old.kind == 'l' then return old.rate - (old.sum - old.base) end
  local part = old.kind == 's' and 1 - (now - old.window * old.per) / old.per or 0
  return old.rate - old.used - math.ceil(old.before * part)
end

local function is_window(limit) return limit.kind == 'f' or limit.kind == 's' end
local factor = known and how == 'scale' and whole(new) / whole(old) or 1

if is_window(old) and is_window(new) and new.per == old.per then
  new.window, new.used, new.before = old.window, math.ceil(old.used * factor), math.ceil(old.before * factor)
elseif is_window(old) and is_window(new) then
  new.window, new.used, new.before = floor(now / new.per), math.ceil((old.rate - left()) * factor), 0
elseif old.kind == 'l' and new.kind == 'l' then
  local entries = redis.call('LRANGE', key, 0, -1)
  redis.call('DEL', key)
  for _, entry in ipairs(entries) do
    local at, sum = match(entry, '^(%d+) (%d+)')
    redis.call('RPUSH', key, format('%s %d %s', at, math.ceil((sum - old.base) * factor), new.version))
  end
  redis.call('PEXPIREAT', key, floor((old.newest + new.per) / 1000) + 1)
  return 1
else
  local most = math.max(0, whole(new) - held)
  local stays = how == 'reset' and most or math.min(math.max(0, left() * factor), most)
  if new.kind == 'b' then
    local all = floor(stays + 1e-6) -- what was rounded takes no token
    local us, part = times(new, all)
    new.full = now + new.room - us - floor(math.max(0, stays - all) * token(new))
    new.fraction = new.room_part - part
    if new.fraction < 0 then new.full, new.fraction = new.full - 1, new.fraction + new.parts end
    new.held, new.holders, new.ends = held, old.holders or '', old.ends or 0
    settle(new)
  else
    local used = math.ceil(new.rate - stays - 1e-6)
    new.window, new.used, new.before = floor(now / new.per), used, 0
    new.sum, new.newest = used, 0
  end
  redis.call('DEL', key)
end
store(new, key)
return 1
