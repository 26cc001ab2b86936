-- nodes_beat.lua - I live; who else?
-- KEYS[1]  nodes:<service>
-- ARGV     id, started (0: now), load, version, address, gone after (ms)
-- {living nodes, started}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local started = ARGV[2] == '0' and now or ARGV[2]
local gone = tonumber(ARGV[6])
local living, dead = 1, {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  if all[i] ~= ARGV[1] then
    local seen = tonumber(string.match(all[i + 1], '^%d+'))
    -- Seen in the future: the clock was set, or another Redis took over.
    if seen and math.abs(now - seen) < gone then
      living = living + 1
    else
      dead[#dead + 1] = all[i]
    end
  end
end
for _, id in ipairs(dead) do redis.call('HDEL', KEYS[1], id) end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f %.0f %s %s %s', now, started, ARGV[3], ARGV[4], ARGV[5]))
redis.call('PEXPIRE', KEYS[1], gone)
return {living, tonumber(started)}
