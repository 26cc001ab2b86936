-- unreuse.lua - a code is no longer one of its owner's URL.
-- KEYS[1]  sh:reuse:{pNNN}:<owner>
-- ARGV     digest of the URL, the code
-- How many are left.
local kept = redis.call('HGET', KEYS[1], ARGV[1])
local codes = {}
for code in string.gmatch(kept or '', '%S+') do
  if code ~= ARGV[2] then codes[#codes + 1] = code end
end
local left = table.concat(codes, ' ')
if left == '' then redis.call('HDEL', KEYS[1], ARGV[1])
elseif left ~= kept then redis.call('HSET', KEYS[1], ARGV[1], left) end
return #codes
