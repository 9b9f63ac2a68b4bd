(async () => {
  "use strict";
  // Data and Plotly travel compressed: the page stays light enough to mail.
  const unpack = (id) => {
    const bytes = Uint8Array.from(atob(document.getElementById(id).textContent.trim()), (c) => c.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  };
  const data = JSON.parse(await unpack("report-data"));
  const root = document.documentElement;
  const media = window.matchMedia("(prefers-color-scheme: dark)");
  const PAGE = 50;
  let printing = false;

  const stored = () => { try { return localStorage.getItem("nqs-theme"); } catch { return null; } };
  const store = (name) => { try { localStorage.setItem("nqs-theme", name); } catch { /* a page from disk may not */ } };
  const theme = () => (printing ? "light" : root.dataset.theme || (media.matches ? "dark" : "light"));

  // The same as nautilus_qs.research.report.palette.resolve.
  const colour = (token) => {
    const [name, alpha] = token.slice(1).split("/");
    const hex = data.palettes[theme()][name];
    if (!alpha) return hex;
    return `rgba(${[1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)).join(",")},${alpha})`;
  };
  const resolve = (value) => {
    if (Array.isArray(value)) return value.length && typeof value[0] === "number" ? value : value.map(resolve);
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, resolve(item)]));
    }
    return typeof value === "string" && value[0] === "@" ? colour(value) : value;
  };

  // Named one by one: what a later Plotly adds must not bring a button that talks to a network.
  const BUTTONS = [["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d", "toImage"]];
  const CONFIG = { displaylogo: false, responsive: true, scrollZoom: false, modeBarButtons: BUTTONS };
  const draw = (div, figure) => {
    // What the reader zoomed to survives a change of theme.
    const ranges = {};
    for (const [key, axis] of Object.entries(div.layout || {})) {
      if (/^[xy]axis/.test(key) && axis.autorange === false && figure.kept) ranges[key] = { range: axis.range, autorange: false };
    }
    const layout = resolve(figure.layout);
    for (const [key, range] of Object.entries(ranges)) layout[key] = { ...layout[key], ...range };
    figure.kept = true;
    return Plotly.react(div, resolve(figure.data), layout, CONFIG);
  };
  const drawAll = () => {
    for (const div of document.querySelectorAll("[data-figure]")) draw(div, data.figures[div.dataset.figure]);
    drawTrades();
  };

  // -- theme --------------------------------------------------------------------------------------------------------
  const button = document.getElementById("theme");
  const name = () => { button.textContent = theme() === "dark" ? "Light" : "Dark"; };
  const redraw = () => { name(); if (window.Plotly) drawAll(); };
  if (stored()) root.dataset.theme = stored();
  name();
  button.addEventListener("click", () => {
    root.dataset.theme = theme() === "dark" ? "light" : "dark";
    store(root.dataset.theme);
    redraw();
  });
  media.addEventListener("change", () => { if (!root.dataset.theme) redraw(); });
  window.addEventListener("beforeprint", () => { printing = true; redraw(); });
  window.addEventListener("afterprint", () => { printing = false; redraw(); });

  // -- equity: log scale --------------------------------------------------------------------------------------------
  const scale = document.querySelector("[data-scale]");
  scale?.addEventListener("click", () => {
    const isLog = scale.getAttribute("aria-pressed") !== "true";
    scale.setAttribute("aria-pressed", String(isLog));
    Object.assign(data.figures.equity.layout.yaxis, { type: isLog ? "log" : "linear" });
    data.figures.equity.kept = false;
    draw(document.querySelector('[data-figure="equity"]'), data.figures.equity);
  });

  // -- trades: chart of one instrument ------------------------------------------------------------------------------
  const place = document.getElementById("trade-chart");
  const select = document.querySelector("[data-instrument]");
  const candles = document.querySelector("[data-candles]");
  let shown = -1; // index in the list of the trade that the chart shows

  const asLine = (trace) => ({
    type: "scatter", mode: "lines", name: "Close", x: trace.x, y: trace.close, showlegend: false,
    line: { color: "@faint", width: 1.3 }, hovertemplate: "%{x|%Y-%m-%d}: %{y:,.2f}<extra></extra>",
  });
  function drawTrades() {
    if (!place) return;
    const figure = data.trades[select.value];
    const isCandles = candles.getAttribute("aria-pressed") === "true";
    const traces = figure.data.map((t) => (t.type === "candlestick" && !isCandles ? asLine(t) : t));
    const view = { data: traces, layout: figure.layout, kept: figure.kept };
    draw(place, view);
    for (const other of Object.values(data.trades)) other.kept = other === figure;
  }
  const whole = () => { data.trades[select.value].kept = false; drawTrades(); };
  select?.addEventListener("change", () => { shown = -1; mark(); whole(); });
  candles?.addEventListener("click", () => {
    candles.setAttribute("aria-pressed", String(candles.getAttribute("aria-pressed") !== "true"));
    drawTrades();
  });
  document.querySelector("[data-whole]")?.addEventListener("click", () => { shown = -1; mark(); whole(); });

  const DAY = 86400000;
  const iso = (ms) => new Date(ms).toISOString().slice(0, 10);
  function showTrade(index, scroll) {
    const row = data.list.rows[index];
    const figure = place && data.trades[row[3]];
    shown = index;
    mark();
    if (!figure) return;
    select.value = row[3];
    candles.setAttribute("aria-pressed", "true");
    const [first, last] = [Date.parse(row[0]), Date.parse(row[1])];
    const pad = Math.max(25 * DAY, (last - first) * 0.8);
    const [from, to] = [iso(first - pad), iso(last + pad)];
    const bars = figure.data[0];
    let [low, high] = [Math.min(row[6], row[7]), Math.max(row[6], row[7])];
    bars.x.forEach((x, i) => {
      if (x >= from && x <= to) { low = Math.min(low, bars.low[i]); high = Math.max(high, bars.high[i]); }
    });
    const air = (high - low) * 0.08 || 1;
    figure.kept = false;
    drawTrades();
    Plotly.relayout(place, { "xaxis.range": [from, to], "yaxis.range": [low - air, high + air] });
    if (scroll) place.scrollIntoView({ block: "center", behavior: "smooth" });
  }
  for (const step of document.querySelectorAll("[data-step]")) {
    step.addEventListener("click", () => {
      const own = data.list.rows.map((row, i) => [row[3], i]).filter(([iid]) => iid === select.value).map(([, i]) => i);
      if (!own.length) return;
      const at = own.indexOf(shown);
      const next = at < 0 ? (step.dataset.step === "1" ? 0 : own.length - 1) : at + Number(step.dataset.step);
      if (next >= 0 && next < own.length) showTrade(own[next], false);
    });
  }

  // -- trades: the list, a page at a time ---------------------------------------------------------------------------
  const list = document.querySelector("[data-list]");
  const pages = document.querySelector("[data-pages]");
  const filter = document.querySelector("[data-filter]");
  let order = data.list.rows.map((_, i) => i).reverse();
  let sort = { column: 1, down: true };
  let page = 0;

  const fixed = (value, digits) => {
    if (value === null) return "–";
    const text = Math.abs(value).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
    return (Number(value.toFixed(digits)) < 0 ? "−" : "") + text;
  };
  const signed = (value, digits) => (value > 0 ? "+" : "") + fixed(value, digits);
  const FORMATS = {
    5: (v) => v.toLocaleString("en-US", { maximumFractionDigits: 8 }), 6: (v) => fixed(v, 2), 7: (v) => fixed(v, 2),
    8: (v) => signed(v, 2), 9: (v) => (v === null ? "–" : `${signed(v * 100, 2)} %`), 10: (v) => (v === null ? "–" : signed(v, 2)),
    11: (v) => String(v),
  };
  const TONED = new Set([8, 9, 10]);

  function arrange() {
    const words = (filter?.value || "").toLowerCase().split(/\s+/).filter(Boolean);
    order = data.list.rows.map((_, i) => i).filter((i) => {
      const text = data.list.rows[i].join(" ").toLowerCase();
      return words.every((word) => text.includes(word));
    });
    const [column, way] = [sort.column, sort.down ? -1 : 1];
    order.sort((a, b) => {
      const [x, y] = [data.list.rows[a][column], data.list.rows[b][column]];
      if (x === y) return (a - b) * way;
      if (x === null || y === null) return x === null ? 1 : -1;
      return (x < y ? -1 : 1) * way;
    });
    page = 0;
    showList();
  }
  function showList() {
    if (!list) return;
    const table = document.createElement("table");
    table.className = "sortable";
    const head = table.createTHead().insertRow();
    data.list.columns.forEach((title, column) => {
      const th = document.createElement("th");
      th.scope = "col";
      th.textContent = title;
      if (FORMATS[column]) th.className = "num";
      if (column === sort.column) th.setAttribute("aria-sort", sort.down ? "descending" : "ascending");
      th.addEventListener("click", () => {
        sort = { column, down: column === sort.column ? !sort.down : Boolean(FORMATS[column]) };
        arrange();
      });
      head.append(th);
    });
    const body = table.createTBody();
    for (const index of order.slice(page * PAGE, (page + 1) * PAGE)) {
      const tr = body.insertRow();
      tr.dataset.index = index;
      tr.tabIndex = 0;
      data.list.rows[index].forEach((value, column) => {
        const td = tr.insertCell();
        td.textContent = FORMATS[column] ? FORMATS[column](value) : value;
        if (FORMATS[column]) td.className = `num${TONED.has(column) ? (value > 0 ? " gain" : value < 0 ? " loss" : "") : ""}`;
      });
      tr.addEventListener("click", () => showTrade(index, true));
      tr.addEventListener("keydown", (event) => { if (event.key === "Enter") showTrade(index, true); });
    }
    list.replaceChildren(table);
    showPages();
    mark();
  }
  function showPages() {
    const last = Math.max(0, Math.ceil(order.length / PAGE) - 1);
    const turn = (text, to) => {
      const b = document.createElement("button");
      b.type = "button";
      b.textContent = text;
      b.disabled = to < 0 || to > last;
      b.addEventListener("click", () => { page = to; showList(); });
      return b;
    };
    const where = document.createElement("span");
    const first = order.length ? page * PAGE + 1 : 0;
    where.textContent = `${first}–${Math.min(order.length, (page + 1) * PAGE)} of ${order.length.toLocaleString("en-US")}`;
    pages.replaceChildren(turn("‹", page - 1), where, turn("›", page + 1));
  }
  function mark() {
    for (const tr of list?.querySelectorAll("tbody tr") || []) tr.classList.toggle("chosen", Number(tr.dataset.index) === shown);
  }
  filter?.addEventListener("input", arrange);

  // -- every other table --------------------------------------------------------------------------------------------
  const key = (cell) => (cell.dataset.sort !== undefined ? Number(cell.dataset.sort) : cell.textContent.trim());
  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((th, column) => {
      th.addEventListener("click", () => {
        const down = th.getAttribute("aria-sort") === "ascending" || (!th.hasAttribute("aria-sort") && th.classList.contains("num"));
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        th.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = [...table.tBodies[0].rows];
        rows.sort((a, b) => {
          const [x, y] = [key(a.cells[column]), key(b.cells[column])];
          const sign = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y));
          return down ? -sign : sign;
        });
        table.tBodies[0].append(...rows);
      });
    });
  }

  showList();
  const plotly = document.createElement("script");
  plotly.textContent = await unpack("plotly");
  document.head.append(plotly);
  drawAll();
  root.dataset.ready = "true";
})().catch((error) => {
  console.error(error);
  for (const div of document.querySelectorAll(".chart, [data-list]")) {
    div.textContent = `Charts and list need a browser of 2023 or later: ${error}`;
  }
});
