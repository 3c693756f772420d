-- The generic cell rate algorithm on any number of buckets, by the server's own clock, in microseconds.
-- A key holds when its bucket is full again, and is gone when it is full.
-- Three arguments for each key: what to add, how far ahead it may be, and 1 to add it in any case.
-- Two results for each key: 1 if it was admitted, and how far ahead it is now.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local results = {}
for i, key in ipairs(KEYS) do
  local cost, tolerance, force = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1]), ARGV[3 * i] == '1'
  local full = math.max(tonumber(redis.call('GET', key)) or now, now)
  local after = full + cost
  local admitted = after - now <= tolerance
  if force and not admitted then
    after = math.max(full, now + tolerance) -- empty, not in debt: edges that counted apart do not lock a caller out
  end
  if admitted or force then
    full = after
    redis.call('SET', key, string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000))
  end
  results[2 * i - 1] = admitted and 1 or 0
  results[2 * i] = full - now
end
return results
