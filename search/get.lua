-- get.lua - documents as they are now, as far as the log knows.
-- KEYS     se:shard:{pNNN}:<uuid>, se:log:…, se:recent:…
-- ARGV     most bytes of sources, ids
-- false: there is no such shard; 'large': there are more; else {generation that
-- segments must have, of each id: '' (what segments say counts), 'd' (it is
-- deleted), or {version, seq, source}}
local generation = redis.call('HGET', KEYS[1], 'generation')
if not generation then return false end
local out, left = {generation}, tonumber(ARGV[1])
for i = 2, #ARGV do
  local recent = redis.call('HGET', KEYS[3], ARGV[i])
  local version, seq, state = string.match(recent or '', '^(%d+):(%d+):(%a)')
  if not version then
    out[i] = ''
  elseif state == 'd' then
    out[i] = 'd'
  else
    local entry = string.format('%.0f-0', tonumber(seq) + 1)
    local fields = redis.call('XRANGE', KEYS[2], entry, entry)[1][2]
    left = left - #fields[8]
    if left < 0 then return 'large' end
    out[i] = {version, seq, fields[8]}
  end
end
return out
