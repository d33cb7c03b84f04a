-- Writes ticks of one venue into its hash, each only if it is newer than what is kept.
-- KEYS[1] = the hash; ARGV = field, tick as JSON, field, tick as JSON, ...
-- A value is the newest tick with the newest last, bid and ask in it; where these come from more than one
-- observation, `sides` holds all of them. Returns how many were written, and whether a wrong type was in the way.

local SIDES = { 'last', 'bid', 'ask' }
local FUTURE_MAX_MS = 5000

local function event_time(tick)
    local venue = tick.venue_time
    if type(venue) == 'number' and venue - tick.received_at <= FUTURE_MAX_MS then
        return venue
    end
    return tick.received_at
end

local function longer_or_later(a, b)
    if #a ~= #b then
        return #a > #b
    end
    return a > b
end

-- Time, then sequence; of equal ones what was heard first. The price only makes the order total.
local function is_newer(side, a, b)
    local at, bt = event_time(a), event_time(b)
    if at ~= bt then
        return at > bt
    end
    if a.sequence ~= b.sequence then
        return longer_or_later(a.sequence, b.sequence)
    end
    if a.received_at ~= b.received_at then
        return a.received_at < b.received_at
    end
    return longer_or_later(a[side], b[side])
end

local function is_tick(tick)
    return type(tick) == 'table' and type(tick.received_at) == 'number' and type(tick.sequence) == 'string'
end

-- What is kept under a field; what cannot be read is as good as nothing.
local function kept_under(field)
    local text = redis.call('HGET', KEYS[1], field)
    local is_json, value = pcall(cjson.decode, text or '')
    if not is_json or not is_tick(value) then
        return {}
    end
    if type(value.sides) ~= 'table' then
        return { value }
    end
    local ticks = {}
    for _, tick in ipairs(value.sides) do
        if is_tick(tick) then
            table.insert(ticks, tick)
        end
    end
    return ticks
end

-- The newest tick per side, and the ticks which are newest on any side, oldest first.
local function newest_of(ticks)
    local best, leading = {}, {}
    for _, side in ipairs(SIDES) do
        for _, tick in ipairs(ticks) do
            if type(tick[side]) == 'string' and (not best[side] or is_newer(side, tick, best[side])) then
                best[side] = tick
            end
        end
    end
    for _, tick in ipairs(ticks) do
        if tick == best.last or tick == best.bid or tick == best.ask then
            table.insert(leading, tick)
        end
    end
    table.sort(leading, function(a, b)
        local at, bt = event_time(a), event_time(b)
        if at ~= bt then
            return at < bt
        end
        return longer_or_later(b.sequence, a.sequence)
    end)
    return best, leading
end

local function value_of(best, leading)
    if #leading == 1 then
        return cjson.encode(leading[1])
    end
    local merged = {}
    for name, member in pairs(leading[#leading]) do
        merged[name] = member
    end
    for _, side in ipairs(SIDES) do
        merged[side] = best[side] and best[side][side] or cjson.null
    end
    merged.sides = leading
    return cjson.encode(merged)
end

local kind, is_mended = redis.call('TYPE', KEYS[1]).ok, 0
if kind ~= 'hash' and kind ~= 'none' then
    redis.call('DEL', KEYS[1])
    is_mended = 1
end

local written = 0
for at = 1, #ARGV, 2 do
    local tick = cjson.decode(ARGV[at + 1])
    local ticks = kept_under(ARGV[at])
    table.insert(ticks, tick)
    local best, leading = newest_of(ticks)
    if tick == best.last or tick == best.bid or tick == best.ask then
        redis.call('HSET', KEYS[1], ARGV[at], value_of(best, leading))
        written = written + 1
    end
end
return { written, is_mended }
