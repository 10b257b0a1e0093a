#!lua name=einklang_timeline_v2
-- The only writers of a tenant's Timeline, epochs and leases. Every function is atomic: all of its effects or none.
-- docs/activation.md says what they promise together with server/lease.py; tests/fault runs this very file.
--
-- KEYS are always passed, so that it also runs in a cluster; all of one tenant's keys share a hash tag.
-- Numbers are doubles here: microseconds since 1970 stay below 2^53 and are written with %.0f.
-- What a caller computes (SHA-256: there is none here) is checked by every reader; what is checked here is what only
-- the store can know: its own time, who may trust it until when, what is appended already, what is stored.
--
-- T, the Timeline's time, is the primary's clock plus `off_us`. It never goes back: whatever may have been decided by
-- is at most `hwm_us` plus a lease, and an epoch begins behind that.

local RATE_PPM = 440     -- two clocks of at most 200 ppm each, and some
local MARGIN_US = 20000  -- of the lead, beside a lease
local AFTER_US = 5000    -- of the wait for the end of all leases
local ENTRIES_MAX = 200  -- in one reply
local DAY_US = 86400000000

local function num(text) return tonumber(text or '0') or 0 end

local function whole(number) return string.format('%.0f', number) end

local function clock_us()
  local time = redis.call('TIME')
  return num(time[1]) * 1000000 + num(time[2])
end

-- Another process of the store, another run: a restart, or another server.
local function run_id()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or ''
end

local function read(meta)
  local names = {'run_id', 'epoch', 'open', 'off_us', 'hwm_us', 'gseq', 'vseq', 'granted', 'lease_us', 'horizon_us',
                 'head_hash'}
  local values = redis.call('HMGET', meta, unpack(names))
  local state = {run = values[1] or '', head = values[11] or string.rep('0', 64)}
  for place = 2, 10 do
    state[names[place]] = num(values[place])
  end
  return state
end

-- Longer than any lease that exists, by any clock.
local function outlasts(lease_us) return lease_us + math.ceil(lease_us * RATE_PPM / 1000000) end

-- T now, or nil: no epoch is open on this server.
local function now_us(state, run)
  if state.run ~= run or state.open ~= 1 then return nil end
  return clock_us() + state.off_us
end

local function higher(meta, state, time)
  if time > state.hwm_us then
    redis.call('HSET', meta, 'hwm_us', whole(time))
    state.hwm_us = time
  end
end

-- WAIT and WAITAOF wait for what their own connection wrote, and not at all where it wrote nothing. Whoever is told what
-- somebody else wrote, and acts on it, writes too.
local function confirm(meta, state) redis.call('HSET', meta, 'hwm_us', whole(state.hwm_us)) end

-- Whether nobody but the caller may hold a lease. Whoever names its house (the processes of one server, which alone
-- uses a store of its own) vouches that all processes of earlier houses are gone. Second: whether some are, that may
-- have decided until now.
local function alone(holders, holder, house)
  local left = false
  for _, other in ipairs(redis.call('HKEYS', holders)) do
    if other ~= holder then
      local gone = house ~= '' and string.sub(other, 1, 6) == 'local/' and string.sub(other, 1, #house) ~= house
      if not gone then return false, left end
      left = true
    end
  end
  return true, left
end

-- KEYS meta; ARGV store_id, lease_us, guard_us, horizon_us, replicas. Sets up a new tenant; a known one stays as it is.
-- Returns format, store_id, lease_us, guard_us, horizon_us, replicas.
local function setup(keys, args)
  local names = {'format', 'store_id', 'lease_us', 'guard_us', 'horizon_us', 'replicas'}
  if redis.call('HEXISTS', keys[1], 'format') == 0 then
    redis.call('HSET', keys[1], 'format', '2', 'store_id', args[1], 'lease_us', args[2], 'guard_us', args[3],
               'horizon_us', args[4], 'replicas', args[5])
  end
  return redis.call('HMGET', keys[1], unpack(names))
end

-- A new epoch, closed: no lease is granted or renewed until it is opened.
-- KEYS meta, holders; ARGV run, holder, house.
-- Returns BEGUN epoch alone (1: nobody else may hold a lease); OPEN: it is open already; GONE: another run than that.
local function begin(keys, args)
  local run = run_id()
  if args[1] ~= run then return {'GONE'} end
  local state = read(keys[1])
  if state.run == run and state.open == 1 then return {'OPEN'} end
  if state.run ~= run then
    state.epoch = state.epoch + 1
    redis.call('HSET', keys[1], 'run_id', run, 'epoch', whole(state.epoch), 'open', '0')
  end
  return {'BEGUN', whole(state.epoch), alone(keys[2], args[2], args[3]) and '1' or '0'}
end

-- The clock cannot be trusted any more: the epoch ends.
local function close(meta)
  redis.call('HSET', meta, 'run_id', '', 'open', '0')
end

-- KEYS meta; ARGV run, epoch. Returns OK.
local function fault(keys, args)
  local state = read(keys[1])
  if args[1] == run_id() and state.run == args[1] and whole(state.epoch) == args[2] then close(keys[1]) end
  return {'OK'}
end

-- Entries after number `known`, at most ENTRIES_MAX; nil: those known are not those that stand here.
local function news(timeline, state, known, known_hash)
  local length = redis.call('LLEN', timeline)
  if known > length then return nil end
  if known == length then
    if known > 0 and state.head ~= known_hash then return nil end
    return {}, length
  end
  if known > 0 then
    local last = redis.call('LINDEX', timeline, known - 1)
    if not string.find(last, known_hash, 1, true) then return nil end
  end
  return redis.call('LRANGE', timeline, known, known + ENTRIES_MAX - 1), length
end

local function grant(keys, state, holder, time, entries)
  higher(keys[1], state, time)
  redis.call('HSET', keys[1], 'gseq', whole(state.gseq + 1), 'granted', whole(state.granted + 1))
  redis.call('HSET', keys[3], holder, whole(state.epoch))
  local answer = {'GRANTED', whole(state.epoch), whole(time), whole(state.gseq + 1)}
  for _, entry in ipairs(entries) do answer[#answer + 1] = entry end
  return answer
end

-- Open an epoch that was begun. All leases of earlier ones must have ended: `waited` is 1 when the caller waited for
-- that since it was begun; else nobody else may hold one, and `upto_us` is the latest T by which the caller, which has
-- given up its own, may have decided. T goes on behind whatever may have been decided by, or at the primary's clock.
-- KEYS meta, timeline, holders; ARGV run, epoch, holder, house, waited, upto_us, known, known_hash.
-- Returns GRANTED epoch T gseq entries…; ALREADY; STALE; WAIT; BEHIND entries…; REGRESSED length.
local function open(keys, args)
  local run = run_id()
  local state = read(keys[1])
  if args[1] ~= run or state.run ~= run or whole(state.epoch) ~= args[2] then return {'STALE'} end
  if state.open == 1 then return {'ALREADY'} end
  local waited = args[5] == '1'
  local single, left = alone(keys[3], args[3], args[4])
  if not waited and not single then return {'WAIT'} end
  local entries, length = news(keys[2], state, num(args[7]), args[8])
  if not entries then return {'REGRESSED', whole(redis.call('LLEN', keys[2]))} end
  if num(args[7]) + #entries < length then
    confirm(keys[1], state)
    return {'BEHIND', unpack(entries)}
  end
  local base = math.max(state.hwm_us, num(args[6]))
  if waited or left then base = base + outlasts(state.lease_us) end
  local clock = clock_us()
  local off = math.max(0, base + 1 - clock)
  redis.call('HSET', keys[1], 'off_us', whole(off), 'open', '1')
  redis.call('DEL', keys[3])
  return grant(keys, state, args[3], clock + off, entries)
end

-- A lease, or a longer one. A caller that has none of this epoch joins: its first reading of the clock counts once
-- somebody else has accepted a later one (`vseq`), so that no step of the clock stays between them.
-- KEYS meta, timeline, holders, nodes; ARGV holder, house, epoch, accepted gseq, join epoch, join gseq, join granted,
-- waited, known, known_hash, node, status. epoch 0: no lease; join epoch 0: no first reading.
-- Returns GRANTED epoch T gseq entries…; JOIN epoch T gseq granted run entries…; JOINWAIT epoch T;
--   NEED_EPOCH run ended (1: all leases have ended); BEHIND entries…; REGRESSED length.
local function renew(keys, args)
  local run = run_id()
  local state = read(keys[1])
  local time = now_us(state, run)
  if not time then return {'NEED_EPOCH', run, '0'} end
  local entries, length = news(keys[2], state, num(args[9]), args[10])
  if not entries then return {'REGRESSED', whole(redis.call('LLEN', keys[2]))} end
  if num(args[9]) + #entries < length then
    confirm(keys[1], state)
    return {'BEHIND', unpack(entries)}
  end
  if args[11] ~= '' then
    if redis.call('HEXISTS', keys[4], args[11]) == 0 then
      local known = redis.call('HGETALL', keys[4])
      for place = 1, #known, 2 do
        if num(string.match(known[place + 1], '^%d+')) < time - DAY_US then redis.call('HDEL', keys[4], known[place]) end
      end
    end
    redis.call('HSET', keys[4], args[11], whole(time) .. ' ' .. args[12])
  end
  if num(args[3]) == state.epoch then
    if num(args[4]) > state.vseq then redis.call('HSET', keys[1], 'vseq', args[4]) end
    return grant(keys, state, args[1], time, entries)
  end
  if alone(keys[3], args[1], args[2]) then -- nobody is there to vouch for the clock, nor to be contradicted
    close(keys[1])
    return {'NEED_EPOCH', run, '0'}
  end
  if num(args[5]) ~= state.epoch then
    higher(keys[1], state, time) -- what is appended later takes force a lease later than this: the caller builds on it
    redis.call('HSET', keys[1], 'gseq', whole(state.gseq + 1))
    return {'JOIN', whole(state.epoch), whole(time), whole(state.gseq + 1), whole(state.granted), run, unpack(entries)}
  end
  if state.vseq > num(args[6]) then return grant(keys, state, args[1], time, entries) end
  if args[8] ~= '1' then return {'JOINWAIT', whole(state.epoch), whole(time)} end
  -- For longer than a lease nobody vouched: those that have a lease are about to lose it, or nobody has.
  close(keys[1])
  return {'NEED_EPOCH', run, state.granted == num(args[7]) and '1' or '0'}
end

-- A holder has stopped answering, for good: its lease is waited for by nobody. `upto_us`: the latest T by which it may
-- have decided. KEYS meta, holders, nodes; ARGV run, epoch, holder, upto_us, node. Returns OK.
local function release(keys, args)
  local state = read(keys[1])
  if args[1] == run_id() and state.run == args[1] and whole(state.epoch) == args[2] then
    higher(keys[1], state, num(args[4]))
    redis.call('HDEL', keys[2], args[3])
  end
  redis.call('HDEL', keys[3], args[5])
  return {'OK'}
end

-- Append entries, all or none. KEYS meta, timeline, changes, stage, and for each entry its ruleset's manifest;
-- ARGV '' (not looked at), urgent, change id ('' = none), fingerprint, appended_at_us, and for each entry
-- sequence, previous_hash, entry_hash, effective_from_us, kind, bytes.
-- Returns OK first; DUP first: these very entries stand there already, a repeated call is harmless; or, and nothing
-- was done:  USED fingerprint first count: the change id was used;  CONFLICT length: something else was appended
-- meanwhile, read on and try again;  STALE T: appended_at_us is not now;  EARLY earliest_us: a lease may reach so far;
-- MISSING place: the manifest of this entry is not stored;  CLOSED: no epoch is open.
local function append(keys, args)
  local state = read(keys[1])
  local count = #keys - 4
  local length = redis.call('LLEN', keys[2])
  local first, last = num(args[6]), 5 + 6 * (count - 1)
  if length >= first + count - 1 and length > 0 then
    local there = redis.call('LINDEX', keys[2], first + count - 2)
    if there == args[last + 6] then
      confirm(keys[1], state)
      return {'DUP', whole(first)}
    end
  end
  if args[3] ~= '' then
    local used = redis.call('HGET', keys[3], args[3])
    if used then
      confirm(keys[1], state)
      return {'USED', used}
    end
  end
  if length ~= first - 1 or state.head ~= args[7] then return {'CONFLICT', whole(length)} end
  local time = now_us(state, run_id())
  if not time then return {'CLOSED'} end
  local now = math.max(time, state.hwm_us)
  local appended_at = num(args[5])
  if appended_at > now + 1000000 or appended_at < now - 10000000 then return {'STALE', whole(now)} end
  -- Who has a lease knows nothing of these entries until it ends. Before the first entry nobody decides.
  local earliest = now
  if length > 0 then earliest = now + outlasts(state.lease_us) + MARGIN_US end
  if length > 0 and args[2] ~= '1' then earliest = earliest + state.horizon_us end
  for place = 0, count - 1 do
    if num(args[9 + 6 * place]) < earliest then return {'EARLY', whole(earliest)} end
    if args[10 + 6 * place] ~= 'cancel' and redis.call('EXISTS', keys[5 + place]) == 0 then
      return {'MISSING', whole(place)}
    end
  end
  higher(keys[1], state, time)
  for place = 0, count - 1 do redis.call('RPUSH', keys[2], args[11 + 6 * place]) end
  redis.call('HSET', keys[1], 'head_hash', args[last + 3])
  if args[3] ~= '' then
    redis.call('HSET', keys[3], args[3], args[4] .. ' ' .. whole(first) .. ' ' .. whole(count))
  end
  return {'OK', whole(first)}
end

-- A ruleset that every node shall have ready before it is scheduled, or (ready '0') no longer.
-- KEYS stage; ARGV digest, ready, note. Returns OK.
local function stage(keys, args)
  if args[2] == '0' then
    redis.call('HDEL', keys[1], args[1])
    return {'OK'}
  end
  local time = clock_us()
  local known = redis.call('HGETALL', keys[1])
  for place = 1, #known, 2 do
    if num(string.match(known[place + 1], '^%d+')) < time - DAY_US then redis.call('HDEL', keys[1], known[place]) end
  end
  redis.call('HSET', keys[1], args[1], whole(time) .. ' ' .. args[3])
  return {'OK'}
end

-- What became of a staged ruleset on a node. All nodes must decide its self-test alike: the first one says how.
-- KEYS acks of the ruleset; ARGV node, READY or FAILED, digest of the self-test, reason. Returns OK, or DIFFERS digest.
local function ack(keys, args)
  local verdict = args[2]
  redis.call('EXPIRE', keys[1], 86400)
  if verdict == 'READY' then
    redis.call('HSETNX', keys[1], ':self-test', args[3])
    local first = redis.call('HGET', keys[1], ':self-test')
    if first ~= args[3] then
      redis.call('HSET', keys[1], args[1], 'FAILED it decides its self-test otherwise than the first node')
      return {'DIFFERS', first}
    end
    redis.call('HSET', keys[1], args[1], 'READY')
  else
    redis.call('HSET', keys[1], args[1], 'FAILED ' .. args[4])
  end
  redis.call('EXPIRE', keys[1], 86400)
  return {'OK'}
end

-- Delete what nobody looked for in so many seconds: who publishes looks for all that it builds on. KEYS the head of a
-- blob, its chunks; ARGV seconds, really (0: only count). Returns how many bytes it took; -1: somebody looked for it.
local function discard(keys, args)
  local idle = redis.call('OBJECT', 'IDLETIME', keys[1])
  if not idle or idle < num(args[1]) then return -1 end
  local size = 0
  for _, key in ipairs(keys) do size = size + num(redis.call('MEMORY', 'USAGE', key)) end -- which is no looking for it
  if args[2] == '1' then redis.call('UNLINK', unpack(keys)) end
  return size
end

redis.register_function('einklang_timeline_v2_setup', setup)
redis.register_function('einklang_timeline_v2_begin', begin)
redis.register_function('einklang_timeline_v2_fault', fault)
redis.register_function('einklang_timeline_v2_open', open)
redis.register_function('einklang_timeline_v2_renew', renew)
redis.register_function('einklang_timeline_v2_release', release)
redis.register_function('einklang_timeline_v2_append', append)
redis.register_function('einklang_timeline_v2_stage', stage)
redis.register_function('einklang_timeline_v2_ack', ack)
redis.register_function('einklang_timeline_v2_discard', discard)
