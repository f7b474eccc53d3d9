// What pages do in the browser beyond htmx: draw the drift charts, follow logs, and say when the hub is out of reach.
"use strict";

(() => {
  const HEIGHT = 190;
  const charts = new Map(); // canvas element: {plot, drawn}

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // A tick of the time axis, in UTC as all times of the page: a day, minutes or seconds, as the step asks for.
  function clock(at, step) {
    const iso = new Date(at * 1000).toISOString();
    return step >= 86400 ? iso.slice(5, 10) : step >= 60 ? iso.slice(11, 16) : iso.slice(11, 19);
  }

  function options(chart, width) {
    const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    const lines = chart.lines.map((line, place) => ({
      label: line.name,
      stroke: colour(`--line-${place + 1}`),
      width: 2,
      dash: place < 3 ? [] : [6, 3],
      spanGaps: true,
      points: { show: chart.at.length < 3 },
    }));
    const tolerance = { label: "tolerance", stroke: colour("--muted"), width: 1, dash: [3, 4], points: { show: false } };
    return {
      width,
      height: HEIGHT,
      padding: [8, 8, 0, 0],
      legend: { show: false },
      cursor: { show: false },
      scales: { x: { time: true }, y: { range: (_plot, _low, high) => [0, Math.min(1, Math.max(0.25, high * 1.1))] } },
      tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "UTC"),
      axes: [{ ...axis, size: 28, space: 64, values: (_plot, splits, _axis, _space, step) => splits.map((at) => clock(at, step)) }, { ...axis, size: 40, space: 34 }],
      series: [{}, ...lines, tolerance],
    };
  }

  function draw(element) {
    const canvas = element.firstElementChild;
    const text = element.dataset.chart;
    const theme = matchMedia("(prefers-color-scheme: dark)").matches;
    const key = `${text}|${theme}|${canvas.clientWidth}`;
    const known = charts.get(canvas);
    if (known?.key === key) return;
    const chart = JSON.parse(text);
    const data = [chart.at, ...chart.lines.map((line) => line.values), chart.at.map(() => chart.tolerance)];
    known?.plot.destroy();
    charts.set(canvas, { plot: new uPlot(options(chart, canvas.clientWidth), data, canvas), key });
  }

  function drawAll() {
    for (const [canvas, { plot }] of charts) {
      if (!canvas.isConnected) {
        plot.destroy();
        charts.delete(canvas);
      }
    }
    document.querySelectorAll("[data-chart]").forEach(draw);
  }

  // Logs stay at their end while they grow, unless the reader has scrolled up.
  const held = new WeakSet();

  function followLogs() {
    for (const log of document.querySelectorAll(".log")) if (!held.has(log)) log.scrollTop = log.scrollHeight;
  }

  // On a narrow screen the navigation is scrolled: the page that is open shall be seen in it.
  function showPlace() {
    const link = document.querySelector(".bar nav [aria-current]");
    const nav = link?.closest("nav");
    if (nav) nav.scrollLeft = link.offsetLeft - nav.offsetLeft - (nav.clientWidth - link.offsetWidth) / 2;
  }

  function tell(state, words) {
    const link = document.getElementById("link");
    if (link.dataset.state === state) return;
    link.dataset.state = state;
    link.textContent = words;
  }

  const lost = () => tell("lost", `No answer since ${new Date().toISOString().slice(11, 19)} UTC`);
  const refresh = () => document.querySelectorAll(".part").forEach((part) => htmx.trigger(part, "refresh"));

  document.addEventListener("htmx:after:request", (event) => {
    if (event.detail.ctx.response.status < 400) tell("live", "Live");
    else lost();
  });
  document.addEventListener("htmx:after:swap", drawAll);
  document.addEventListener("htmx:after:swap", followLogs);
  document.addEventListener("scroll", ({ target: log }) => {
    if (!log.classList?.contains("log")) return;
    if (log.scrollTop + log.clientHeight < log.scrollHeight - 4) held.add(log);
    else held.delete(log);
  }, true);
  document.addEventListener("htmx:error", lost);
  document.addEventListener("htmx:before:request", (event) => {
    if (document.hidden) event.preventDefault();
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) refresh();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  new ResizeObserver(drawAll).observe(document.getElementById("main"));
  drawAll();
  followLogs();
  showPlace();
})();
