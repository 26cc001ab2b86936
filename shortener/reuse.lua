-- reuse.lua - the code that an owner's URL is to have.
-- KEYS[1]  sh:reuse:{pNNN}:<owner>
-- ARGV     digest of the URL, a code for it, the code it must not be ('': any)
-- The code that is kept: the one there is, unless that is the refused one.
local kept = redis.call('HGET', KEYS[1], ARGV[1])
if kept and kept ~= ARGV[3] then return kept end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return ARGV[2]
