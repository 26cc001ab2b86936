-- unreuse.lua - a URL's code is no longer this one.
-- KEYS[1]  sh:reuse:{pNNN}:<owner>
-- ARGV     digest of the URL, the code
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
return redis.call('HDEL', KEYS[1], ARGV[1])
