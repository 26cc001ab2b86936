-- define.lua - a limit is made or changed; it remembers what it was.
-- KEYS[1]  rl:limit:{pNNN}:<name>
-- ARGV     what becomes of what buckets hold: 'keep', 'scale' or 'reset'; how
--          many earlier versions to keep; fields and values
-- {1 if it is new, its version}
-- Fields: a algorithm, r rate, p per (us), b burst, m mode, f on_redis_failure,
-- d deadline (ms), s shadow, x max_cost, t description; v version, c change,
-- e earlier versions "version a r p b change;…", the last one first.
local old, all = {}, redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do old[all[i]] = all[i + 1] end
local same = old.a ~= nil
for i = 3, #ARGV, 2 do same = same and old[ARGV[i]] == ARGV[i + 1] end
if same then return {0, tonumber(old.v)} end

local change, earlier = ARGV[1], ''
if old.a then
  local count = 0
  earlier = table.concat({old.v, old.a, old.r, old.p, old.b, old.c}, ' ') .. ';' .. old.e
  earlier = string.gsub(earlier, '[^;]*;', function(entry)
    count = count + 1
    return count <= tonumber(ARGV[2]) and entry or ''
  end)
elseif old.v then
  change = 'reset' -- it was deleted: what buckets hold was of another
end
local version = (old.v or 0) + 1
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'v', version, 'c', change, 'e', earlier, unpack(ARGV, 3))
return {old.a and 0 or 1, version}
