-- get.lua - documents as they are now, as far as the log knows.
-- KEYS     se:shard:{pNNN}:<uuid>, se:log:…, se:recent:…
-- ARGV     ids
-- false: there is no such shard; else {generation that segments must have, of
-- each id: '' (what segments say counts), 'd' (it is deleted), or {version, seq,
-- source}}
local generation = redis.call('HGET', KEYS[1], 'generation')
if not generation then return false end
local out = {generation}
for i, id in ipairs(ARGV) do
  local recent = redis.call('HGET', KEYS[3], id)
  local version, seq, state = string.match(recent or '', '^(%d+):(%d+):(%a)')
  if not version then
    out[i + 1] = ''
  elseif state == 'd' then
    out[i + 1] = 'd'
  else
    local entry = string.format('%.0f-0', tonumber(seq) + 1)
    local fields = redis.call('XRANGE', KEYS[2], entry, entry)[1][2]
    out[i + 1] = {version, seq, fields[8]}
  end
end
return out
