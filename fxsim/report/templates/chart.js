"use strict";
// Learning curves: one SVG per entry of CHARTS (colours of published results: PUBLISHED), with a band of the standard error, toggles, values on hover and CSV download.
(function () {
  const W = 460, H = 270, LEFT = 52, RIGHT = 12, TOP = 10, BOTTOM = 38;
  const NS = "http://www.w3.org/2000/svg", DRAWN = ["svg", "path", "line", "text", "g", "rect", "circle", "clipPath"];

  function make(parent, tag, attributes, text) {
    const node = DRAWN.includes(tag) ? document.createElementNS(NS, tag) : document.createElement(tag);
    for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
    if (text !== undefined) node.textContent = text;
    parent.appendChild(node);
    return node;
  }

  function ticks(low, high) {
    const step = Math.pow(10, Math.floor(Math.log10((high - low) / 3)));
    const size = [1, 2, 5, 10].map((m) => m * step).find((s) => (high - low) / s <= 6);
    const out = [];
    for (let v = Math.ceil(low / size - 1e-9) * size; v <= high + 1e-9 * size; v += size) out.push(Number(v.toPrecision(10)));
    return out;
  }

  function logarithmic(low, high) {     // 1, 2, 5 of each decade, or only 1 of many
    const out = [];
    for (let k = Math.floor(low); k <= high; k++) for (const m of high - low > 4 ? [1] : [1, 2, 5]) out.push(k + Math.log10(m));
    const inside = out.filter((t) => t >= low && t <= high);
    return inside.length > 1 ? inside : ticks(low, high);
  }

  // Text only: spreadsheets take what begins with = + - @ for a formula, but for numbers.
  const inert = (text) => (/^[=+\-@\t\r]/.test(text) && isNaN(text) ? "'" + text : text);
  const quoted = (text) => (/[",\n\r]/.test(text) ? '"' + inert(text).replace(/"/g, '""') + '"' : inert(text));

  function csv(chart) {
    const lines = [[chart.lines, chart.x, "mean", "sem", "seeds"].map(quoted).join(",")];
    for (const s of chart.series) s.x.forEach((x, i) => lines.push([quoted(s.label), x, s.mean[i], s.sem[i] === null ? "" : s.sem[i], s.n[i]].join(",")));
    for (const [x, mean, sem] of chart.points) lines.push(["published", x, mean, sem, ""].join(","));
    return lines.join("\n") + "\n";
  }

  const transform = (chart) => (chart.log ? (v) => Math.log10(Math.max(v, 1e-12)) : (v) => v);

  // Everything that has to fit into a chart, [x, y], y as drawn (on a logarithmic axis error bars below do not count).
  function extent(chart) {
    const value = transform(chart);
    const xs = chart.series.flatMap((s) => s.x).concat(chart.points.map((p) => p[0]));
    const ys = chart.series.flatMap((s) => s.mean.flatMap((m, i) => [value(m - (chart.log ? 0 : s.sem[i] || 0)), value(m + (s.sem[i] || 0))]))
      .concat(chart.points.flatMap((p) => [value(p[1] - p[2]), value(p[1] + p[2])]))
      .concat(chart.band ? chart.band.lowest.concat(chart.band.highest).map(value) : []);
    return [xs, ys];
  }

  // Scales: x and y in data units -> pixels. Charts of one group share y, and x where it is time, so that rules can be compared.
  function scales(chart) {
    const value = transform(chart), together = CHARTS.filter((other) => other.group === chart.group).map(extent);
    const xs = chart.origin ? together.flatMap((e) => e[0]) : extent(chart)[0], ys = together.flatMap((e) => e[1]);
    const aside = chart.series.every((s) => s.x.length === 1) ? (Math.max(...xs) - Math.min(...xs)) * 0.04 : 0;      // of points, none is cut
    const first = chart.origin ? 0 : Math.min(...xs) - aside, last = Math.max(...xs.map((x) => x + aside), first + 1), low = Math.min(...ys), high = Math.max(...ys), margin = (high - low || 1) * 0.05;
    const y0 = low - margin, y1 = high + margin;
    const level = (u) => H - BOTTOM - (H - TOP - BOTTOM) * (u - y0) / (y1 - y0);
    return { first, last, y0, y1, level, px: (x) => LEFT + (W - LEFT - RIGHT) * (x - first) / (last - first), py: (y) => level(value(y)) };
  }

  function axes(chart, svg, scale) {
    const percent = (t) => Number((100 * t).toPrecision(6)) + " %", power = (t) => String(Number(Math.pow(10, t).toPrecision(2)));
    for (const t of (chart.log ? logarithmic : ticks)(scale.y0, scale.y1)) {
      const y = scale.level(t);
      make(svg, "line", { x1: LEFT, x2: W - RIGHT, y1: y, y2: y, stroke: "#e6e6e6" });
      make(svg, "text", { x: LEFT - 5, y: y + 4, "text-anchor": "end" }, chart.log ? power(t) : chart.percent ? percent(t) : String(t));
    }
    for (const t of ticks(scale.first, scale.last)) make(svg, "text", { x: scale.px(t), y: H - BOTTOM + 15, "text-anchor": t === scale.last ? "end" : "middle" }, String(t));
    make(svg, "text", { x: (LEFT + W - RIGHT) / 2, y: H - 5, "text-anchor": "middle" }, chart.x);
    make(svg, "line", { x1: LEFT, x2: W - RIGHT, y1: H - BOTTOM, y2: H - BOTTOM, stroke: "#888" });
  }

  const line = (xs, ys, scale) => xs.map((x, i) => `${scale.px(x).toFixed(2)},${scale.py(ys[i]).toFixed(2)}`);
  const ribbon = (xs, low, high, scale) => "M" + line(xs, high, scale).concat(line(xs, low, scale).reverse()).join("L") + "Z";

  function published(chart, plot, scale) {
    if (chart.band) {
      make(plot, "path", { d: ribbon(chart.band.x, chart.band.lowest, chart.band.highest, scale), fill: PUBLISHED.range });
      make(plot, "path", { d: ribbon(chart.band.x, chart.band.lower, chart.band.upper, scale), fill: PUBLISHED.quartiles });
    }
    for (const [u, mean, sem] of chart.points) {
      make(plot, "line", { x1: scale.px(u), x2: scale.px(u), y1: scale.py(mean - sem), y2: scale.py(mean + sem), stroke: PUBLISHED.mean });
      make(plot, "rect", { x: scale.px(u) - 3, y: scale.py(mean) - 3, width: 6, height: 6, fill: PUBLISHED.mean });
    }
  }

  function curve(s, plot, scale) {
    const group = make(plot, "g", {}), sem = s.x.map((_, i) => s.sem[i] || 0);
    make(group, "path", { d: ribbon(s.x, s.mean.map((m, i) => m - sem[i]), s.mean.map((m, i) => m + sem[i]), scale), fill: s.colour, opacity: 0.15 });
    make(group, "path", { d: "M" + line(s.x, s.mean, scale).join("L"), fill: "none", stroke: s.colour, "stroke-width": 1.8, "stroke-dasharray": s.dash.join(" ") });
    if (s.x.length === 1) {
      const x = scale.px(s.x[0]);
      make(group, "line", { x1: x, x2: x, y1: scale.py(s.mean[0] - sem[0]), y2: scale.py(s.mean[0] + sem[0]), stroke: s.colour });
      make(group, "circle", { cx: x, cy: scale.py(s.mean[0]), r: s.note ? 5 : 3, fill: s.beaten ? "white" : s.colour, stroke: s.colour });
    }
    return group;
  }

  function toggle(s, group, legend) {
    const button = make(legend, "button", { type: "button", "aria-pressed": "true" });
    const key = make(button, "svg", { width: 30, height: 8, viewBox: "0 0 30 8", class: "key" });
    if (s.note) make(key, "circle", { cx: 15, cy: 4, r: 3.5, fill: s.beaten ? "white" : s.colour, stroke: s.colour });
    else make(key, "line", { x1: 0, x2: 30, y1: 4, y2: 4, stroke: s.colour, "stroke-width": 2.2, "stroke-dasharray": s.dash.join(" ") });
    make(button, "span", {}, " " + s.label);
    button.addEventListener("click", () => {
      const shown = button.getAttribute("aria-pressed") === "true";
      button.setAttribute("aria-pressed", String(!shown));
      group.style.display = shown ? "none" : "";
    });
  }

  function download(chart) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([csv(chart)], { type: "text/csv" }));
    link.download = chart.id + ".csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  function values(chart, box, svg, scale, groups) {
    const tip = make(box, "div", { class: "tip" });
    const cursor = make(svg, "line", { y1: TOP, y2: H - BOTTOM, stroke: "#999", "stroke-dasharray": "2 2", visibility: "hidden" });
    const all = [...new Set(chart.series.flatMap((s) => s.x))];
    const text = (v, digits) => (chart.percent ? (100 * v).toFixed(1) + (digits ? "" : " %") : v.toPrecision(4));
    const hide = () => { tip.style.display = "none"; cursor.setAttribute("visibility", "hidden"); };
    function show(event) {
      const area = svg.getBoundingClientRect();
      const at = ((event.clientX - area.left) * W / area.width - LEFT) * (scale.last - scale.first) / (W - LEFT - RIGHT) + scale.first;
      const x = all.reduce((best, u) => (Math.abs(u - at) < Math.abs(best - at) ? u : best), all[0]);
      const rows = [];
      chart.series.forEach((s, n) => {
        const i = s.x.indexOf(x);
        if (i < 0 || groups[n].style.display === "none") return;
        rows.push([s.colour, `${s.label}: ` + (s.sem[i] === null ? text(s.mean[i]) : `${text(s.mean[i], true)} ± ${text(s.sem[i])}`) + `, n = ${s.n[i]}` + (s.note ? "; " + s.note : "")]);
      });
      if (!rows.length) { hide(); return; }
      tip.replaceChildren();
      make(tip, "div", {}, `${chart.x}: ${x}`);
      for (const [colour, row] of rows) make(make(tip, "div", {}), "span", { style: `border-left: 4px solid ${colour}; padding-left: 4px` }, row);
      cursor.setAttribute("x1", scale.px(x)); cursor.setAttribute("x2", scale.px(x)); cursor.setAttribute("visibility", "visible");
      const bounds = box.getBoundingClientRect(), left = event.clientX - bounds.left;
      tip.style.display = "block";
      tip.style.left = Math.max(2, left + 14 + tip.offsetWidth < bounds.width ? left + 14 : left - 14 - tip.offsetWidth) + "px";
      tip.style.top = Math.max(2, event.clientY - bounds.top - 10) + "px";
    }
    svg.addEventListener("pointerleave", hide);
    svg.addEventListener("pointermove", show);
    svg.addEventListener("pointerdown", show);
  }

  function draw(chart, root) {
    const box = make(root, "div", { class: "chart", id: chart.id }), scale = scales(chart);
    make(box, "h4", {}, chart.title ? chart.title + ": " + chart.y : chart.y);
    const svg = make(box, "svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": chart.title + ", " + chart.y });
    const frame = make(svg, "clipPath", { id: "clip-" + chart.id });
    make(frame, "rect", { x: LEFT, y: 0, width: W - LEFT - RIGHT + 5, height: H - BOTTOM });
    axes(chart, svg, scale);
    const plot = make(svg, "g", { "clip-path": `url(#clip-${chart.id})` });
    published(chart, plot, scale);
    const groups = chart.series.map((s) => curve(s, plot, scale));
    const legend = make(box, "div", { class: "legend" });
    make(legend, "span", { class: "small" }, chart.lines + ":");
    chart.series.forEach((s, n) => toggle(s, groups[n], legend));
    make(legend, "button", { type: "button", class: "csv" }, "CSV").addEventListener("click", () => download(chart));
    values(chart, box, svg, scale, groups);
  }

  for (const chart of CHARTS) draw(chart, document.getElementById(chart.root));
})();
