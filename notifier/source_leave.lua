-- source_leave.lua - a worker that ends leaves a source to the others.
-- KEYS[1]  what is known of the source
-- ARGV[1]  the worker
if redis.call('HGET', KEYS[1], 'worker') == ARGV[1] then redis.call('HDEL', KEYS[1], 'worker', 'until') end
