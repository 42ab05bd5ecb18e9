-- For wrk: sends the requests of a file in turn and prints what became of them as JSON.
local requests, at = {}, 0

function init(args)
  local file = assert(io.open(args[1], "rb"))
  local text = file:read("*a")
  file:close()
  local from = 1
  while from <= #text do
    local zero = text:find("\0", from, true) or #text + 1
    requests[#requests + 1] = text:sub(from, zero - 1)
    from = zero + 1
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local e = summary.errors
  local refused = e.status + e.connect + e.read + e.write + e.timeout
  print(string.format(
    '{"accepted": %d, "refused": %d, "seconds": %.3f, "p50_ms": %.3f, "p99_ms": %.3f}',
    summary.requests - e.status, refused, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
