-- reuse.lua - the code that an owner's URL is to have.
-- KEYS[1]  sh:reuse:{pNNN}:<owner>
-- ARGV     digest of the URL, a code for it, the code it must not be ('': any)
-- The first code that is kept for it, without the refused one; else the new one.
local kept = redis.call('HGET', KEYS[1], ARGV[1])
if kept then
  local codes = {}
  for code in string.gmatch(kept, '%S+') do
    if code ~= ARGV[3] then codes[#codes + 1] = code end
  end
  local left = table.concat(codes, ' ')
  if left ~= kept and left ~= '' then redis.call('HSET', KEYS[1], ARGV[1], left) end
  if left ~= '' then return codes[1] end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return ARGV[2]
