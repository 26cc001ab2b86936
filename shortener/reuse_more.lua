-- reuse_more.lua - one more code for an owner's URL that has one.
-- KEYS[1]  sh:reuse:{pNNN}:<owner>
-- ARGV     digest of the URL, the code, how many are kept at most
-- 1: kept, also before; 0: there are as many as may be.
local kept = redis.call('HGET', KEYS[1], ARGV[1])
local count = 0
for code in string.gmatch(kept or '', '%S+') do
  if code == ARGV[2] then return 1 end
  count = count + 1
end
if count >= tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], kept and kept .. ' ' .. ARGV[2] or ARGV[2])
return 1
