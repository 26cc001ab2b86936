-- write.lua - whatever changes a room: checked, put into its log under the
-- next number, and told, all or nothing.
-- KEYS  the room, its members, its log, what has changed of its messages, the
--       names of its members, who is banned, and, if the sender gave a
--       client_id, where that one is remembered.  What hangs on one message or
--       member (reactions, threads, mentions) is named beside them: same tag,
--       same room.
-- ARGV  what to do, who does it, the room's id, the last number that the worker
--       knows of, the channel to wake, how long a client_id is remembered (ms),
--       the digests of what came with it (bodies.h); then
--         message  client_id, text, reply_to ('': none), mentions ('a,b'), the id
--                  of the key that the text is sealed with (bodies.h)
--         edit     client_id, text, target, the same
--         delete   client_id, target
--         react    client_id, target, emoji, on (1, 0)
--         join     the most members that a room has
--         leave
--         erase    the number to go on behind, who is to be an owner ('': nobody)
--                  of a user that is deleted, which goes; then what it wrote, a
--                  piece of it: number is where to go on, done 0: that was all
--         put      user, role ('': member, or as it is), the most members
--         kick     user
--         ban      user
--         unban    user
--         room     what has changed, as JSON; then of each of name, topic,
--                  archived, keep_count, keep_ms: = and the value, or '': stays
-- {number, ts (ms), replayed (0, 1), done (0: it was so already; 2: to a member
-- that was there)}, or {why not}: a problem's type.
--
-- An entry of the log has the id number-ts, e: its head, and t: "CLIENT_ID TEXT"
-- where there is a text.  A head is
--   m FROM N REPLY_TO ROOT MENTIONS     ROOT: of the thread, 0: it is none
--   e FROM N TARGET BEFORE              BEFORE: the edit before it, 0: none
--   d FROM N TARGET
--   r FROM N TARGET ON EMOJI
--   j FROM N USER CHANGE ROLE           CHANGE: joined left kicked banned role
--   o FROM N
-- N counts the messages so far.  What has changed, by number:
--   EDITED REACTED CLIENT_ID TEXT       EDITED: by which edit, 0: by none, and
--                                       then no more than REACTED, 1: there are
--                                       reactions
--   d TS HEAD                           its text is gone, and so is its entry
-- include record.lua
local op, user, room, known, channel = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]
local EDITS_MAX, REACTIONS_MAX, TRIM_MAX = 100, 1000, 16
local LOOKED_AT, ERASED = 256, 32 -- entries of one piece

local format = string.format -- Lua's own spelling of numbers is slow
local time = redis.call('TIME')
local now = format('%d', time[1] * 1000 + math.floor(time[2] / 1000))
local is = redis.call('HMGET', KEYS[2], '#', user)
local said = is[2]
local seq, oldest, count, members, hole, kind, archived, keep_count, kids
if is[1] then
  seq, oldest, count, members, hole, kind, archived, keep_count, kids =
    string.match(is[1], '^(%d+) %d+ (%d+) (%d+) (%d+) (%d+) (%a) (%d) (%d+) (%S+)$')
  seq = tonumber(seq)
  if known > seq then hole, seq = ARGV[4], known end -- Redis lost its end, whose numbers others have seen
end

-- What was done by this client_id, or why it cannot be done now.
local function answer(why)
  local seen = KEYS[7] and redis.call('GET', KEYS[7])
  if not seen then return {why} end
  local number, ts, digests = string.match(seen, '^(%d+) (%d+) (%S+)$')
  for digest in string.gmatch(digests, '[^,]+') do
    if string.find(ARGV[7], digest, 1, true) then return {tonumber(number), tonumber(ts), 1, 1} end
  end
  return {'client-id-reused'}
end
if not kind or not said and kind ~= 'u' and op ~= 'erase' then return answer('no-such-room') end

local function beside(what, id)
  return string.gsub(KEYS[1], '^ch:room', 'ch:' .. what, 1) .. ':' .. id
end

-- Numbers that are past what the room keeps.
local function trim()
  local most, from = tonumber(keep_count), tonumber(oldest)
  if seq - from < most then return end
  local to = math.min(seq - most + 1, from + TRIM_MAX)
  for number = from, to - 1 do
    local text = format('%d', number)
    redis.call('HDEL', KEYS[4], text)
    redis.call('UNLINK', beside('reactions', text), beside('thread', text))
  end
  oldest = format('%d', to)
  redis.call('XTRIM', KEYS[3], 'MINID', oldest)
end

-- The next entry, with a text or nil; what else of members changes with it.  A
-- client_id that was used is found before anything is done.
local function append(entry, text, ...)
  seq = seq + 1
  local number = format('%d', seq)
  if KEYS[7] then
    local seen = redis.call('SET', KEYS[7], number .. ' ' .. now .. ' ' .. ARGV[7], 'PX', ARGV[6], 'NX', 'GET')
    if seen then return answer() end
  end
  if text then
    redis.call('XADD', KEYS[3], number .. '-' .. now, 'e', entry, 't', text)
  else
    redis.call('XADD', KEYS[3], number .. '-' .. now, 'e', entry)
  end
  if keep_count ~= '0' then trim() end
  redis.call('HSET', KEYS[2], '#', number .. ' ' .. now .. ' ' .. oldest .. ' ' .. count .. ' ' .. members .. ' ' .. hole ..
    ' ' .. kind .. ' ' .. archived .. ' ' .. keep_count .. ' ' .. kids, ...)
  redis.call('SPUBLISH', channel, room .. ' ' .. number .. ' ' .. now .. ' ' .. oldest .. ' ' .. entry .. '\n' .. (text or ''))
  return {seq, tonumber(now), 0, 1}
end

-- The entry of that number, if it is a message that was not deleted.
local function message(number)
  local found = redis.call('XRANGE', KEYS[3], number, number)[1]
  if not found then return end
  local from, root, mentions = string.match(found[2][2], '^m (%S+) %d+ %d+ (%d+) ?(.*)$')
  return from and {from = from, root = root, mentions = mentions, head = found[2][2], id = found[1]}
end

-- Was it trimmed with the entry that was just written, what hangs on it is, too.
local function is_kept(number) return tonumber(number) >= tonumber(oldest) end

-- ---- what is said

-- There are texts that this key sealed.
local function note(kid)
  if not string.find(kids, '=' .. kid .. '=', 1, true) then kids = kids .. kid .. '=' end
end

local role, silenced
if said then role, silenced = string.match(said, '(%a) %d+ %-?%d+ (%-?%d+)$') end

local function is_silenced()
  return silenced ~= '0' and (silenced == '-1' or tonumber(silenced) > tonumber(now))
end

-- What a writer must be; nil: it is.
local function refused()
  if not role then return 'not-a-member' end
  if archived == '1' then return 'archived' end
  if role == 'r' then return 'not-allowed' end
  if is_silenced() then return 'muted' end
end

if op == 'message' then
  local no = refused()
  if no then return answer(no) end
  local reply, root, mentions = ARGV[10], '0', ''
  if reply == '' then
    reply = '0'
  else
    local parent = message(reply)
    if not parent then return answer('no-such-message') end
    root = parent.root == '0' and reply or parent.root
  end
  local marks = {}
  if ARGV[11] ~= '' then
    local names = {}
    for name in string.gmatch(ARGV[11], '[^,]+') do
      local other = name ~= user and redis.call('HGET', KEYS[2], name)
      if other then
        names[#names + 1] = name
        other = member(other)
        other.mentions = other.mentions + 1
        marks[#marks + 1] = name
        marks[#marks + 1] = spell(other)
      end
    end
    mentions = table.concat(names, ',')
  end
  count = format('%d', count + 1)
  note(ARGV[12])
  local number = format('%d', seq + 1)
  -- who writes has read what was written before
  local marked, rest = string.match(said, '^%d+ %d+ %d+ (%d+) (.*)$')
  marks[#marks + 1] = user
  marks[#marks + 1] = number .. ' ' .. count .. ' ' .. number .. ' 0 ' .. rest
  local done = append('m ' .. user .. ' ' .. count .. ' ' .. reply .. ' ' .. root .. ' ' .. mentions,
    ARGV[8] .. ' ' .. ARGV[9], unpack(marks))
  if done[3] ~= 0 then return done end
  for name in string.gmatch(mentions, '[^,]+') do redis.call('ZADD', beside('mentions', name), number, number) end
  if root ~= '0' and is_kept(root) then redis.call('ZADD', beside('thread', root), number, number) end
  if marked ~= '0' then redis.call('UNLINK', beside('mentions', user)) end
  return done
end

local me = said and member(said)
local my_rank = me and rank[me.role] or 0

-- The edits of a message, the last one first: numbers, ids and heads.
local function edits_of(change)
  local list, number = {}, change and string.match(change, '^(%d+)') or '0'
  while number ~= '0' do
    local entry = redis.call('XRANGE', KEYS[3], number, number)[1]
    if not entry then break end
    list[#list + 1] = {number, entry[1], entry[2][2]}
    number = string.match(entry[2][2], ' (%d+)$')
  end
  return list
end

if op == 'edit' then
  local no = refused()
  if no then return answer(no) end
  local target = message(ARGV[10])
  if not target then return answer('no-such-message') end
  if target.from ~= user then return answer('not-allowed') end
  local change = redis.call('HGET', KEYS[4], ARGV[10])
  local edits = edits_of(change)
  if #edits >= EDITS_MAX then return answer('too-many-edits') end
  local reacted = change and string.match(change, '^%d+ (%d)') or '0'
  note(ARGV[11])
  local done = append('e ' .. user .. ' ' .. count .. ' ' .. ARGV[10] .. ' ' .. (edits[1] and edits[1][1] or '0'),
    ARGV[8] .. ' ' .. ARGV[9])
  if done[3] == 0 and is_kept(ARGV[10]) then
    redis.call('HSET', KEYS[4], ARGV[10], format('%d', seq) .. ' ' .. reacted .. ' ' .. ARGV[8] .. ' ' .. ARGV[9])
  end
  return done
end

-- An entry, from the log that is written anew, too.
local function remove(id)
  redis.call('XDEL', (string.gsub(KEYS[3], '^ch:log', 'ch:relog', 1)), id)
  return redis.call('XDEL', KEYS[3], id)
end

-- The texts of a message and of its edits go; numbers and heads stay.
local function take_back(number, target, gone)
  gone[#gone + 1] = {number, target.id, target.head} -- what an edit said goes with it
  for _, entry in ipairs(gone) do
    if is_kept(entry[1]) then
      redis.call('HSET', KEYS[4], entry[1], 'd ' .. string.match(entry[2], '%d+$') .. ' ' .. entry[3])
    end
    remove(entry[2])
  end
  redis.call('UNLINK', beside('reactions', number))
  for name in string.gmatch(target.mentions, '[^,]+') do
    local other = redis.call('ZREM', beside('mentions', name), number) == 1 and redis.call('HGET', KEYS[2], name)
    other = other and member(other)
    if other and tonumber(other.read) < tonumber(number) then
      other.mentions = math.max(other.mentions - 1, 0)
      local text = spell(other)
      redis.call('HSET', KEYS[2], name, text)
      redis.call('SPUBLISH', channel, '@s ' .. room .. ' ' .. name .. ' ' .. text)
    end
  end
end

if op == 'delete' then
  local target = message(ARGV[9])
  local no = refused()
  if no and not (no == 'muted' and target and target.from == user) then return answer(no) end
  if not target then return answer('no-such-message') end
  if target.from ~= user and (my_rank < rank.a or kind == 'd') then return answer('not-allowed') end
  local gone = edits_of(redis.call('HGET', KEYS[4], ARGV[9]))
  local done = append('d ' .. user .. ' ' .. count .. ' ' .. ARGV[9])
  if done[3] ~= 0 then return done end
  take_back(ARGV[9], target, gone)
  return done
end

if op == 'react' then
  local no = refused()
  if no then return answer(no) end
  if not message(ARGV[9]) then return answer('no-such-message') end
  local reactions, field, on = beside('reactions', ARGV[9]), ARGV[10] .. ' ' .. user, ARGV[11] == '1'
  local since = redis.call('HGET', reactions, field)
  if on and since then
    local number, ts = string.match(since, '^(%d+) (%d+)$')
    return {tonumber(number), tonumber(ts), 1, 0}
  end
  if not on and not since then return answer('no-such-reaction') end
  if on and redis.call('HLEN', reactions) >= REACTIONS_MAX then return answer('too-many-reactions') end
  local done = append('r ' .. user .. ' ' .. count .. ' ' .. ARGV[9] .. ' ' .. ARGV[11] .. ' ' .. ARGV[10])
  if done[3] ~= 0 or not is_kept(ARGV[9]) then return done end
  if on then
    redis.call('HSET', reactions, field, format('%d', seq) .. ' ' .. now)
    local change = redis.call('HGET', KEYS[4], ARGV[9]) or '0 0'
    redis.call('HSET', KEYS[4], ARGV[9], (string.gsub(change, '^(%d+) %d', '%1 1', 1)))
  else
    redis.call('HDEL', reactions, field)
  end
  return done
end

-- ---- who belongs

local function entry(name, change, letter)
  return 'j ' .. user .. ' ' .. count .. ' ' .. name .. ' ' .. change .. ' ' .. (letter or '-')
end

-- A mute, and the role of a reader, outlast leaving: in a hash beside the bans.
local marks = string.gsub(KEYS[6], '^ch:bans', 'ch:marks', 1)

local function leave_mark(name)
  local was = member(redis.call('HGET', KEYS[2], name))
  if was.role == 'r' or was.silenced ~= '0' then redis.call('HSET', marks, name, was.role .. ' ' .. was.silenced) end
end

-- Who comes in: its role, if nobody gives it one, and how long it is muted.
local function take_mark(name, letter)
  local mark = redis.call('HGET', marks, name)
  if not mark then return letter or 'm', '0' end
  redis.call('HDEL', marks, name)
  local role, silenced = string.match(mark, '^(%a) (%S+)$')
  if silenced ~= '-1' and tonumber(silenced) <= tonumber(now) then silenced = '0' end
  return letter or role == 'r' and 'r' or 'm', silenced
end

-- letter: nil: as it was, or a member
local function enter(name, letter)
  redis.call('ZADD', KEYS[5], 0, name)
  members = format('%d', members + 1)
  local silenced
  letter, silenced = take_mark(name, letter)
  local number = format('%d', seq + 1)
  return append(entry(name, 'joined', letter), nil, name, spell({read = number, n = count, delivered = number,
    mentions = 0, role = letter, joined = number, muted = 0, silenced = silenced}))
end

-- It has another owner, too.  (A room of before they were counted says it has not.)
local function has_others() return tonumber(redis.call('HGET', KEYS[1], 'owners') or 1) > 1 end

local function depart(name, change)
  leave_mark(name)
  redis.call('HDEL', KEYS[2], name)
  redis.call('ZREM', KEYS[5], name)
  redis.call('UNLINK', beside('mentions', name))
  members = format('%d', members - 1)
  return append(entry(name, change))
end

-- ---- a user that is deleted

-- Where it is the last owner another one is needed; who is alone archives.
local function go(heir)
  if me.role == 'o' and members ~= '1' then
    local other = heir ~= user and redis.call('HGET', KEYS[2], heir)
    if not other then return false end
    other = member(other)
    if other.role ~= 'o' then
      other.role, other.silenced = 'o', '0' -- nobody else could let it speak again
      redis.call('HINCRBY', KEYS[1], 'owners', 1)
      append(entry(heir, 'role', 'o'), nil, heir, spell(other))
    end
  end
  if me.role == 'o' then redis.call('HINCRBY', KEYS[1], 'owners', -1) end
  if members == '1' then archived = '1' end
  depart(user, 'left')
  return true
end

-- An entry of its own; how many entries went.
local function erase(number, id, head)
  local what, target, rest = string.match(head, '^(%a) %S+ %d+ (%d+) ?(.*)$')
  if what == 'm' then
    local found, gone = message(number), edits_of(redis.call('HGET', KEYS[4], number))
    take_back(number, found, gone)
    append('d ' .. user .. ' ' .. count .. ' ' .. number)
    return #gone
  end
  if what == 'e' and remove(id) == 1 then -- its message is not kept any more
    redis.call('HSET', KEYS[4], number, 'd ' .. string.match(id, '%d+$') .. ' ' .. head)
    append('d ' .. user .. ' ' .. count .. ' ' .. target)
    return 1
  end
  local emoji = what == 'r' and string.match(rest, '^1 (.*)$')
  if emoji and redis.call('HDEL', beside('reactions', target), emoji .. ' ' .. user) == 1 then
    append('r ' .. user .. ' ' .. count .. ' ' .. target .. ' 0 ' .. emoji)
    return 1
  end
  return 0
end

if op == 'erase' then
  if me and not go(ARGV[9]) then return {'last-owner'} end
  redis.call('HSET', KEYS[6], user, now) -- a step of joining that is still on its way finds it banned
  redis.call('HDEL', marks, user)
  local number, went = ARGV[8], 0
  local found = redis.call('XRANGE', KEYS[3], format('%d', number + 1), '+', 'COUNT', LOOKED_AT)
  for _, item in ipairs(found) do
    number = string.match(item[1], '^%d+')
    if string.match(item[2][2], '^%a (%S+)') == user and tonumber(number) >= tonumber(oldest) then
      went = went + erase(number, item[1], item[2][2])
      if went >= ERASED then break end
    end
  end
  return {tonumber(number), tonumber(now), 0, (went >= ERASED or #found == LOOKED_AT) and 1 or 0}
end

if archived == '1' and not (me and op == 'leave') then
  return {(me or op == 'join') and 'archived' or 'not-a-member'}
end

if op == 'join' then
  if me then return {seq, tonumber(now), 1, 0} end
  if redis.call('HEXISTS', KEYS[6], user) == 1 then return {'banned'} end
  if tonumber(members) >= tonumber(ARGV[8]) then return {'room-full'} end
  return enter(user)
end

if not me then return {'not-a-member'} end
if kind == 'd' then return {'not-allowed'} end

if op == 'leave' then
  if me.role == 'o' and members ~= '1' and archived == '0' and not has_others() then return {'last-owner'} end
  if me.role == 'o' then redis.call('HINCRBY', KEYS[1], 'owners', -1) end
  return depart(user, 'left')
end

if op == 'put' then
  local name, letter = ARGV[8], ARGV[9]
  local other = redis.call('HGET', KEYS[2], name)
  if not other then
    if my_rank < rank.m then return {'not-allowed'} end
    if is_silenced() then return {'muted'} end
    if letter ~= '' and letter ~= 'm' and (my_rank < rank.a or rank[letter] >= my_rank) then return {'not-allowed'} end
    if redis.call('HEXISTS', KEYS[6], name) == 1 then return {'banned'} end
    if tonumber(members) >= tonumber(ARGV[10]) then return {'room-full'} end
    return enter(name, letter ~= '' and letter or nil)
  end
  other = member(other)
  if letter == '' or letter == other.role then return {seq, tonumber(now), 1, 0} end
  -- an owner may make others owners; an admin changes who is below it
  local may = my_rank == rank.o or my_rank == rank.a and rank[letter] < rank.a and rank[other.role] < rank.a
  if not may then return {'not-allowed'} end
  if other.role == 'o' and not has_others() then return {'last-owner'} end
  if other.role == 'o' or letter == 'o' then redis.call('HINCRBY', KEYS[1], 'owners', letter == 'o' and 1 or -1) end
  other.role = letter
  if letter == 'o' then other.silenced = '0' end
  append(entry(name, 'role', letter), nil, name, spell(other))
  return {seq, tonumber(now), 0, 2}
end

if op == 'unban' then
  if my_rank < rank.a then return {'not-allowed'} end
  redis.call('HDEL', KEYS[6], ARGV[8])
  return {seq, tonumber(now), 0, 0}
end

if op == 'kick' or op == 'ban' then
  local name = ARGV[8]
  local other = redis.call('HGET', KEYS[2], name)
  if my_rank < rank.a then return {'not-allowed'} end
  if not other and op == 'kick' then return {'no-such-member'} end
  if name == user or other and rank[member(other).role] >= my_rank then return {'not-allowed'} end
  if op == 'ban' then
    redis.call('HSET', KEYS[6], name, now)
    if not other then return {seq, tonumber(now), 0, 1} end
  end
  return depart(name, op == 'ban' and 'banned' or 'kicked')
end

if op == 'room' then
  local owners = ARGV[11] .. ARGV[12] .. ARGV[13] ~= '' -- what ends the room, or its history
  if my_rank < rank.a or owners and my_rank < rank.o then return {'not-allowed'} end
  if is_silenced() then return {'muted'} end
  if ARGV[9] .. ARGV[10] .. ARGV[11] .. ARGV[12] .. ARGV[13] == '' then return {seq, tonumber(now), 1, 0} end
  local set = {}
  for i, name in ipairs({'name', 'topic', 'archived', 'keep_count', 'keep_ms'}) do
    local value = ARGV[8 + i]
    if value ~= '' then
      value = string.sub(value, 2)
      if name == 'archived' then
        archived = value
      elseif name == 'keep_count' then
        keep_count = value
      else
        set[#set + 1] = name
        set[#set + 1] = value
        if name == 'keep_ms' then -- age.lua
          local aging = 'ch:aging:' .. string.match(KEYS[1], '%b{}')
          if value == '0' then redis.call('ZREM', aging, room) else redis.call('ZADD', aging, now, room) end
        end
      end
    end
  end
  if #set > 0 then redis.call('HSET', KEYS[1], unpack(set)) end
  return append('o ' .. user .. ' ' .. count, '- ' .. ARGV[8])
end
return redis.error_reply('no such op: ' .. op)
