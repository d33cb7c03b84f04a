// Keeps the table alive: server-sent events in, ages counted here. Without it the page still shows everything once.
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const body = $("rows"), pill = $("pill"), lost = $("lost"), filter = $("filter"), pause = $("pause");
  const SHAPES = {
    fresh: ["●", "fresh"], stale: ["▲", "stale"], expired: ["■", "expired"],
    suspect: ["◆", "suspect jump"], disputed: ["⚠", "venues disagree"], unconfirmed: ["◌", "not confirmed"],
  };
  const BAD = ["invalid", "blocked_address", "delisted"];
  const rows = new Map();
  const waiting = new Map();
  let connected = false, paused = false, heardAt = performance.now();

  function words(ms) {
    if (ms === null) return "–";
    const s = Math.floor(ms / 1000);
    if (s < 60) return `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
    return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  }

  function wire(tr) {
    const row = {
      tr, value: tr.querySelector(".value"), age: tr.querySelector(".age"), state: tr.querySelector(".state"),
      sources: tr.querySelector(".sources"), word: tr.className, bornAt: null,
    };
    if (tr.dataset.age) row.bornAt = performance.now() - Number(tr.dataset.age);
    rows.set(tr.dataset.pair, row);
    return row;
  }

  function cell(tag, name) {
    const made = document.createElement(tag);
    made.className = name;
    return made;
  }

  function make(pair) {
    const tr = document.createElement("tr");
    tr.dataset.pair = pair;
    const th = document.createElement("th"), link = document.createElement("a");
    th.scope = "row";
    link.href = `/api/v1/rates/${encodeURIComponent(pair)}?explain=1`;
    link.textContent = pair;
    th.append(link);
    tr.append(th, cell("td", "value"), cell("td", "age"), cell("td", "state"), cell("td", "sources"));
    const after = [...rows.keys()].filter((name) => name > pair).sort()[0];
    body.insertBefore(tr, after ? rows.get(after).tr : null);
    return wire(tr);
  }

  function show(row, word) {
    const [shape, text] = SHAPES[word] || ["?", word];
    row.tr.className = word;
    row.state.replaceChildren();
    const mark = document.createElement("span");
    mark.setAttribute("aria-hidden", "true");
    mark.textContent = shape;
    row.state.append(mark, ` ${text}`);
  }

  function apply(rate) {
    const row = rows.get(rate.pair) || make(rate.pair);
    const value = rate.value !== null ? rate.value
      : rate.low && rate.high ? `${rate.low} … ${rate.high}` : "–";
    if (row.value.textContent !== value) {
      const was = Number(row.value.textContent), is = Number(value);
      row.value.textContent = value;
      row.value.className = "value";
      if (was && is && was !== is) {
        void row.value.offsetWidth;
        row.value.className = is > was ? "value up" : "value down";
      }
    }
    row.word = rate.state;
    row.bornAt = rate.age_ms === null || rate.age_ms === undefined ? null : rate.heardAt - rate.age_ms;
    row.sources.textContent = `${rate.sources_used}/${rate.sources_total} `;
    const names = cell("span", "names");
    names.textContent = (rate.sources || []).join(", ");
    row.sources.append(names);
    show(row, connected ? row.word : "unconfirmed");
  }

  function heard() {
    heardAt = performance.now();
    if (!connected) setConnected(true);
  }

  function setConnected(is) {
    connected = is;
    lost.hidden = is;
    for (const row of rows.values()) show(row, is ? row.word : "unconfirmed");
    // A venue must not look alive on a page that hears nothing.
    if (!is) for (const item of $("venues").children) venue({ venue: item.dataset.venue, unknown: true });
    say();
  }

  async function askVenues() {
    try {
      const answer = await fetch("/api/v1/venues", { cache: "no-store", signal: AbortSignal.timeout(5000) });
      const said = await answer.json();
      for (const status of said.venues) venue({ ...status, unknown: status.state === "unknown" });
      seldom(said.venues.filter((status) => status.state !== "unknown"));
      trouble(said.venues.flatMap((status) => status.rows).filter((row) => BAD.includes(row.state)));
    } catch {
      // The next snapshot asks again.
    }
  }

  // The same list as the first paint's, as is the next.
  function seldom(venues) {
    const items = [];
    for (const { venue, connections } of venues) {
      const every = Math.min(...connections.map((one) => one.every_ms ?? Infinity));
      const isSlow = every > 5000 && every < Infinity;
      const why = connections.map((one) => one.seldom).find((text) => text);
      if (!isSlow && !why) continue;
      const item = document.createElement("li"), name = document.createElement("b");
      name.textContent = venue;
      item.append(name, `: ${isSlow ? `asked every ${Math.floor(every / 1000)} s. ` : ""}${why || ""}`);
      items.push(item);
    }
    $("seldom").hidden = items.length === 0;
    $("seldom").querySelector("ul").replaceChildren(...items);
  }

  function trouble(bad) {
    $("trouble").hidden = bad.length === 0;
    const items = bad.slice(0, 50).map((row) => {
      const item = document.createElement("li");
      item.textContent = `■ row ${row.id} is ${row.state.replaceAll("_", " ")}: ${row.reason || "no reason is known"}`;
      return item;
    });
    if (bad.length > 50) items.push(Object.assign(document.createElement("li"), { textContent: `and ${bad.length - 50} more` }));
    $("trouble").querySelector("ul").replaceChildren(...items);
  }

  function say() {
    const quiet = Math.floor((performance.now() - heardAt) / 1000);
    const [word, text] = !connected ? ["offline", "■ Offline"]
      : paused ? ["delayed", "▲ Paused"] : quiet > 5 ? ["delayed", `▲ No change for ${quiet} s`] : ["live", "● Live"];
    if (pill.textContent !== text) { pill.className = `pill ${word}`; pill.textContent = text; }
  }

  function narrow() {
    const wanted = filter.value.trim().toUpperCase();
    for (const [pair, row] of rows) row.tr.hidden = wanted !== "" && !pair.includes(wanted);
  }

  function venue(status) {
    const list = $("venues");
    let item = [...list.children].find((li) => li.dataset.venue === status.venue);
    if (!item) {
      item = document.createElement("li");
      item.dataset.venue = status.venue;
      list.append(item);
    }
    const states = (status.connections || []).map((connection) => connection.state);
    const word = status.unknown ? "unknown" : states.includes("live") ? "live" : states[0] || "stopped";
    const shape = word === "live" ? "●" : ["connecting", "backing_off", "rate_limited", "silent"].includes(word) ? "▲"
      : ["unknown", "stopped"].includes(word) ? "◌" : "■";
    const mark = document.createElement("span"), name = document.createElement("b"), text = cell("span", "word");
    mark.setAttribute("aria-hidden", "true");
    mark.textContent = shape;
    name.textContent = status.venue;
    text.textContent = word.replaceAll("_", " ");
    item.className = word;
    item.replaceChildren(mark, " ", name, " ", text);
  }

  function flush() {
    if (paused || waiting.size === 0) return;
    for (const rate of waiting.values()) apply(rate);
    waiting.clear();
    $("count").textContent = rows.size;
    $("empty").hidden = rows.size > 0;
    narrow();
  }

  function take(rate) {
    rate.heardAt = performance.now();
    waiting.set(rate.pair, rate);
  }

  // A socket can be dead without an error. When nothing has changed for a while, ask.
  async function probe() {
    if (performance.now() - heardAt < 2000) return;
    try {
      const answer = await fetch("/livez", { cache: "no-store", signal: AbortSignal.timeout(1500) });
      if (!answer.ok) throw new Error("not alive");
    } catch {
      if (connected) setConnected(false);
    }
  }

  function listen() {
    const source = new EventSource("/api/v1/stream");
    source.addEventListener("open", heard);
    source.addEventListener("error", () => {
      setConnected(false);
      // The browser gives up by itself only after an answer that is no stream (503 when too many are open).
      if (source.readyState === EventSource.CLOSED) setTimeout(listen, 3000 + Math.random() * 3000);
    });
    source.addEventListener("bye", () => setConnected(false));
    source.addEventListener("snapshot", (event) => {
      heard();
      JSON.parse(event.data).rates.forEach(take);
      askVenues();
    });
    source.addEventListener("rate", (event) => { heard(); take(JSON.parse(event.data)); });
    source.addEventListener("status", (event) => { heard(); venue(JSON.parse(event.data)); });
  }

  body.querySelectorAll("tr").forEach(wire);
  filter.addEventListener("input", narrow);
  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? "Resume" : "Pause";
    say();
  });
  document.addEventListener("keydown", (event) => {
    if (event.target === filter || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") { event.preventDefault(); filter.focus(); }
    if (event.key === "p") pause.click();
  });
  setInterval(flush, 250);
  setInterval(probe, 1000);
  setInterval(() => {
    const now = performance.now();
    for (const row of rows.values()) row.age.textContent = words(row.bornAt === null ? null : now - row.bornAt);
    say();
  }, 1000);
  listen();
})();
