"use strict";
// Learning curves: one SVG per entry of CHARTS, with a band of the standard error, toggles, values on hover and CSV download.
(function () {
  const W = 460, H = 270, LEFT = 50, RIGHT = 12, TOP = 10, BOTTOM = 36;
  const NS = "http://www.w3.org/2000/svg";

  function make(parent, tag, attributes, text) {
    const svg = ["svg", "path", "line", "text", "g", "rect", "circle"].includes(tag);
    const node = svg ? document.createElementNS(NS, tag) : document.createElement(tag);
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

  function csv(chart) {
    const lines = ["precision,iteration,mean,sem"];
    for (const s of chart.series) s.x.forEach((x, i) => lines.push([s.label, x, s.mean[i], s.sem[i] === null ? "" : s.sem[i]].join(",")));
    return lines.join("\n") + "\n";
  }

  function draw(chart, root) {
    const box = make(root, "div", { class: "chart", id: chart.id });
    make(box, "h4", {}, chart.title + ": " + chart.y);
    const svg = make(box, "svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": chart.title + ", " + chart.y });
    const value = chart.log ? (v) => Math.log10(Math.max(v, 1e-12)) : (v) => v;
    const xs = chart.series.flatMap((s) => s.x).concat(chart.points.map((p) => p[0]));
    const ys = chart.series.flatMap((s) => s.mean.flatMap((m, i) => [value(m - (chart.log ? 0 : s.sem[i] || 0)), value(m + (s.sem[i] || 0))]))
      .concat(chart.points.flatMap((p) => [p[1] - p[2], p[1] + p[2]]));
    const x1 = Math.max(...xs, 1);
    let y0 = Math.min(...ys), y1 = Math.max(...ys);
    const margin = (y1 - y0 || 1) * 0.05;
    y0 -= margin; y1 += margin;
    const px = (x) => LEFT + (W - LEFT - RIGHT) * x / x1;
    const py = (y) => H - BOTTOM - (H - TOP - BOTTOM) * (value(y) - y0) / (y1 - y0);
    for (const t of ticks(y0, y1)) {
      const y = H - BOTTOM - (H - TOP - BOTTOM) * (t - y0) / (y1 - y0);
      make(svg, "line", { x1: LEFT, x2: W - RIGHT, y1: y, y2: y, stroke: "#eee" });
      make(svg, "text", { x: LEFT - 5, y: y + 4, "text-anchor": "end" }, chart.log ? Number(Math.pow(10, t).toPrecision(2)).toString() : String(t));
    }
    for (const t of ticks(0, x1)) make(svg, "text", { x: px(t), y: H - BOTTOM + 15, "text-anchor": "middle" }, String(t));
    make(svg, "text", { x: (LEFT + W - RIGHT) / 2, y: H - 4, "text-anchor": "middle" }, chart.x);
    make(svg, "line", { x1: LEFT, x2: W - RIGHT, y1: H - BOTTOM, y2: H - BOTTOM, stroke: "#888" });
    for (const [u, mean, sem] of chart.points) {
      make(svg, "line", { x1: px(u), x2: px(u), y1: py(mean - sem), y2: py(mean + sem), stroke: "#777" });
      make(svg, "rect", { x: px(u) - 3, y: py(mean) - 3, width: 6, height: 6, fill: "#777" });
    }
    const legend = make(box, "div", { class: "legend" });
    const groups = chart.series.map((s) => {
      const group = make(svg, "g", {});
      const upper = s.x.map((x, i) => `${px(x)},${py(s.mean[i] + (s.sem[i] || 0))}`);
      const lower = s.x.map((x, i) => `${px(x)},${py(s.mean[i] - (s.sem[i] || 0))}`).reverse();
      make(group, "path", { d: "M" + upper.concat(lower).join("L") + "Z", fill: s.colour, opacity: 0.15 });
      make(group, "path", { d: "M" + s.x.map((x, i) => `${px(x)},${py(s.mean[i])}`).join("L"), fill: "none", stroke: s.colour,
        "stroke-width": 1.8, "stroke-dasharray": s.dash.join(" ") });
      const button = make(legend, "button", { type: "button", "aria-pressed": "true" });
      const key = make(button, "svg", { width: 22, height: 8, viewBox: "0 0 22 8", style: "width:22px;display:inline" });
      make(key, "line", { x1: 0, x2: 22, y1: 4, y2: 4, stroke: s.colour, "stroke-width": 2, "stroke-dasharray": s.dash.join(" ") });
      make(button, "span", {}, " " + s.label);
      button.addEventListener("click", () => {
        const shown = button.getAttribute("aria-pressed") === "true";
        button.setAttribute("aria-pressed", String(!shown));
        group.style.display = shown ? "none" : "";
      });
      return group;
    });
    const download = make(legend, "button", { type: "button", class: "csv" }, "CSV");
    download.addEventListener("click", () => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([csv(chart)], { type: "text/csv" }));
      link.download = chart.id + ".csv";
      link.click();
      URL.revokeObjectURL(link.href);
    });
    const tip = make(box, "div", { class: "tip" });
    svg.addEventListener("mouseleave", () => { tip.style.display = "none"; });
    svg.addEventListener("mousemove", (event) => {
      const area = svg.getBoundingClientRect();
      const at = ((event.clientX - area.left) * W / area.width - LEFT) * x1 / (W - LEFT - RIGHT);
      const rows = [];
      let nearest = null;
      chart.series.forEach((s, n) => {
        if (groups[n].style.display === "none") return;
        const i = s.x.reduce((best, x, k) => (Math.abs(x - at) < Math.abs(s.x[best] - at) ? k : best), 0);
        nearest = s.x[i];
        rows.push(`${s.label}: ${s.mean[i].toFixed(4)}` + (s.sem[i] === null ? "" : ` ± ${s.sem[i].toFixed(4)}`));
      });
      if (nearest === null) { tip.style.display = "none"; return; }
      tip.replaceChildren();
      ["after " + nearest + " updates", ...rows].forEach((row) => make(tip, "div", {}, row));
      const bounds = box.getBoundingClientRect();
      tip.style.display = "block";
      tip.style.left = Math.max(0, Math.min(event.clientX - bounds.left + 12, bounds.width - tip.offsetWidth - 4)) + "px";
      tip.style.top = event.clientY - bounds.top + 12 + "px";
    });
  }

  for (const chart of CHARTS) draw(chart, document.getElementById("charts"));
})();
