#!lua name=einklang_timeline_v1
-- The only writer of a tenant's Timeline. Every function is atomic: all of its effects or none.
--
-- KEYS are always passed, so that it also runs in a cluster; all of one tenant's keys share a hash tag.
-- Numbers are doubles here: microseconds since 1970 stay below 2^53 and are written with %.0f.
-- The caller computes the entry's SHA-256 (there is none here); what is checked here is what only the store can know:
-- its own time, what is appended already, and that the named ruleset is stored.

local function now_us()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

-- KEYS meta; ARGV store_id, lead_us. Sets up a new tenant; a known one stays as it is. Returns store_id, lead_us.
local function begin(keys, args)
  redis.call('HSETNX', keys[1], 'format', '1')
  redis.call('HSETNX', keys[1], 'store_id', args[1])
  redis.call('HSETNX', keys[1], 'lead_us', args[2])
  return redis.call('HMGET', keys[1], 'format', 'store_id', 'lead_us')
end

-- KEYS meta, timeline, manifest; ARGV sequence, previous_hash, entry_hash, effective_from_us, appended_at_us, entry.
-- Returns {verdict, number}:
--   OK sequence                 appended
--   DUP sequence                this very entry stands there already: a repeated call is harmless
--   CONFLICT length             something else was appended meanwhile: read on and try again
--   STALE now_us                appended_at_us is not now: read the time and try again
--   EARLY earliest_us           effective_from_us is not a lead ahead of now
--   MISSING 0                   the ruleset's manifest is not stored
local function append(keys, args)
  local sequence = tonumber(args[1])
  local effective_from = tonumber(args[4])
  local appended_at = tonumber(args[5])
  local length = redis.call('LLEN', keys[2])
  local head = redis.call('HMGET', keys[1], 'head_hash', 'lead_us', 'hwm_us')
  if length == sequence and head[1] == args[3] then
    return {'DUP', string.format('%.0f', sequence)}
  end
  if length ~= sequence - 1 or (head[1] or string.rep('0', 64)) ~= args[2] then
    return {'CONFLICT', string.format('%.0f', length)}
  end
  -- Time never goes back for a Timeline, whatever the host's clock does.
  local now = math.max(now_us(), tonumber(head[3] or '0'))
  if appended_at > now + 1000000 or appended_at < now - 10000000 then
    return {'STALE', string.format('%.0f', now)}
  end
  local earliest = now + tonumber(head[2] or '0')
  if effective_from < earliest then
    return {'EARLY', string.format('%.0f', earliest)}
  end
  if redis.call('EXISTS', keys[3]) == 0 then
    return {'MISSING', '0'}
  end
  redis.call('RPUSH', keys[2], args[6])
  redis.call('HSET', keys[1], 'head_hash', args[3], 'hwm_us', string.format('%.0f', now))
  return {'OK', string.format('%.0f', sequence)}
end

redis.register_function('einklang_timeline_v1_begin', begin)
redis.register_function('einklang_timeline_v1_append', append)
