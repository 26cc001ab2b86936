-- append.lua - writes of documents, one behind the other: each is decided, and
-- put into the shard's log.
-- KEYS     se:shard:{pNNN}:<uuid>, se:log:…, se:recent:…: documents written
--          since the manifest of "generation", id -> version:seq:state (d: it is
--          deleted)
-- ARGV     generation that older states were looked up in, position of its
--          manifest, version of the mapping that the documents fit, the mapping
--          that they need (''; that one), most entries, most bytes; then of each
--          write: kind (i index, c create, d delete), id, source, how many
--          fields the mapping had, its older state in segments (version:seq or
--          ''), what seq must be ('', or -: nothing is), version of its own
--          ('', N: more than there is, =N: or the same)
-- {'gone'}: there is no such shard; {'stale'}: look again in segments;
-- {'mapping', version, mapping}: fit the documents to it; else {'ok', of each
-- result:version:seq}: c created, u updated, d deleted, n not found, x conflict
-- (version and seq of what there is, or 0:-1), f full
local meta = redis.call('HMGET', KEYS[1], 'generation', 'mapping_version', 'seq', 'bytes')
if not meta[2] then return {'gone'} end
if tonumber(meta[1]) > tonumber(ARGV[1]) then return {'stale'} end
if meta[2] ~= ARGV[3] then return {'mapping', meta[2], redis.call('HGET', KEYS[1], 'mapping')} end
if ARGV[4] ~= '' then
  redis.call('HSET', KEYS[1], 'mapping', ARGV[4], 'mapping_version', tonumber(meta[2]) + 1)
end

local seq = math.max(tonumber(meta[3]), tonumber(ARGV[2]))
local bytes, entries = tonumber(meta[4]), redis.call('XLEN', KEYS[2])
local out = {'ok'}
local function text(n) return string.format('%.0f', n) end

local function refuses(kind, exists, version, at, seq_wanted, own)
  if kind == 'c' and exists then return true end
  if seq_wanted ~= '' and (not exists or at ~= tonumber(seq_wanted)) then return true end
  if own == '' or version == 0 then return false end
  local same = string.sub(own, 1, 1) == '='
  local number = tonumber(same and string.sub(own, 2) or own)
  return version > number or (version == number and not same)
end

for i = 7, #ARGV, 7 do
  local kind, id, source, older = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 4]
  local recent = redis.call('HGET', KEYS[3], id)
  local version, at, state = string.match(recent or older, '^(%d+):(%d+):?(d?)')
  local exists = version and state ~= 'd'
  version, at = tonumber(version or 0), tonumber(at or -1)
  if refuses(kind, exists, version, at, ARGV[i + 5], ARGV[i + 6]) then
    out[#out + 1] = exists and 'x:' .. text(version) .. ':' .. text(at) or 'x:0:-1'
  elseif entries >= tonumber(ARGV[5]) or bytes + #source > tonumber(ARGV[6]) then
    out[#out + 1] = 'f:0:0'
  else
    local own = string.match(ARGV[i + 6], '%d+')
    version = own and tonumber(own) or version + 1
    local entry = {'XADD', KEYS[2], text(seq + 1) .. '-0', 'd', id, 'v', text(version)}
    if kind ~= 'd' then
      entry[8], entry[9], entry[10], entry[11] = 'f', ARGV[i + 3], 's', source
    end
    redis.call(unpack(entry))
    redis.call('HSET', KEYS[3], id, text(version) .. ':' .. text(seq) .. (kind == 'd' and ':d' or ':i'))
    local result = kind == 'd' and (exists and 'd' or 'n') or (exists and 'u' or 'c')
    out[#out + 1] = result .. ':' .. text(version) .. ':' .. text(seq)
    seq, bytes, entries = seq + 1, bytes + #source, entries + 1
  end
end
redis.call('HSET', KEYS[1], 'seq', text(seq), 'bytes', text(bytes))
return out
