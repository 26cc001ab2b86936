-- limit_change.lua - carry a state over from one version of its limit to the
-- next: keep what is left of a bucket or was used of a window, scale it, or
-- reset.
-- KEYS[1]  the state
-- ARGV     the limit as it was, the limit as it is; 'keep', 'scale' or 'reset'
-- 1, also when the state is no longer of the version that it was.
-- include limit_state.lua
local new, how = {}, ARGV[19]
local old = load(1, KEYS[1], '')
if not old then return 1 end
if how == 'reset' and (old.holders or '') == '' then
  redis.call('DEL', KEYS[1])
  return 1
end
new = {kind = ARGV[10], version = ARGV[12]}

if old.kind == 'b' then
  new.whole, new.part, new.parts = tonumber(ARGV[14]), tonumber(ARGV[15]), tonumber(ARGV[16])
  new.room, new.room_part = tonumber(ARGV[17]), tonumber(ARGV[18])
  new.held, new.holders, new.ends = old.held, old.holders, old.ends
  local left = now + old.room - old.full
  if how == 'keep' then
    left = left / (old.whole + old.part / old.parts) * (new.whole + new.part / new.parts)
  elseif how == 'scale' then
    left = left / old.room * new.room
  else
    left = new.room
  end
  new.full, new.fraction = math.ceil(now + new.room - left), 0
  settle(new)
  store(new, KEYS[1])
  return 1
end

new.per, new.rate = tonumber(ARGV[14]), tonumber(ARGV[15])
local factor = how == 'scale' and new.rate / old.rate or 1
if old.kind == 'l' then
  local entries = redis.call('LRANGE', KEYS[1], 0, -1)
  redis.call('DEL', KEYS[1])
  for _, entry in ipairs(entries) do
    local at, sum = match(entry, '^(%d+) (%d+)')
    redis.call('RPUSH', KEYS[1], format('%s %d %s', at, math.ceil((sum - old.base) * factor), new.version))
  end
  redis.call('PEXPIREAT', KEYS[1], floor((old.newest + new.per) / 1000) + 1)
  return 1
end
new.window, new.used, new.before = floor(now / new.per), math.ceil(old.used * factor), math.ceil(old.before * factor)
if new.per ~= old.per then new.before = 0 end
store(new, KEYS[1])
return 1
