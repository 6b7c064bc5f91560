-- Asks the paths given as arguments in turns, and tells at the end what load.py reads.
local requests, last = {}, 0

function init(arguments)
  for _, path in ipairs(arguments) do
    requests[#requests + 1] = wrk.format("GET", path)
  end
end

function request()
  last = last % #requests + 1
  return requests[last]
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    "\n{\"requests\":%d,\"seconds\":%f,\"p50_ms\":%f,\"p95_ms\":%f,\"p99_ms\":%f,"
      .. "\"refused\":%d,\"broken\":%d}\n",
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(95) / 1e3, latency:percentile(99) / 1e3, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
