"use strict";
// The neuromodulator on the grid, step by step, for every precision side by side, with the spikes of the same steps beside it.
(function () {
  const root = document.getElementById("field");
  if (!root || !FIELDS.length) return;
  const add = (parent, tag, name, text) => {
    const node = document.createElement(tag);
    if (name) node.className = name;
    if (text !== undefined) node.textContent = text;
    parent.appendChild(node);
    return node;
  };
  const controls = add(root, "div", "controls");
  const choice = add(controls, "select");
  choice.setAttribute("aria-label", "task and rule");
  FIELDS.forEach((field, i) => { add(choice, "option", "", field.label).value = i; });
  const play = add(controls, "button", "", "Play");
  play.type = "button";
  const slider = add(controls, "input");
  slider.type = "range"; slider.min = 0; slider.step = 1; slider.setAttribute("aria-label", "time in the learning window");
  const clock = add(controls, "output");
  const scale = add(root, "div", "scale");
  const low = add(scale, "span"); add(scale, "i"); const high = add(scale, "span");
  const runs = add(root, "div", "runs");
  let views = [], timer = null;

  function colour(level) {      // blue below zero, red above
    const a = Math.min(1, Math.abs(level) / 127);
    const fade = (full) => Math.round(255 - a * (255 - full));
    return level < 0 ? `rgb(${fade(33)},${fade(102)},${fade(172)})` : `rgb(${fade(178)},${fade(24)},${fade(43)})`;
  }

  function show() {
    const field = FIELDS[choice.value], [h, w] = field.grid, frame = Number(slider.value);
    for (const { run, levels, map, raster } of views) {
      const g = map.getContext("2d"), size = Math.floor(Math.min(map.width / w, map.height / h));
      g.clearRect(0, 0, map.width, map.height);
      for (let c = 0; c < h * w; c++) {
        g.fillStyle = colour(levels[frame * h * w + c]);
        g.fillRect((c % w) * size, Math.floor(c / w) * size, size - 1, size - 1);
      }
      const r = raster.getContext("2d"), px = raster.width / field.frames, py = raster.height / field.neurons;
      r.clearRect(0, 0, raster.width, raster.height);
      r.fillStyle = "#e8e8e8";
      r.fillRect(frame * px, 0, px, raster.height);
      run.spikes[0].forEach((t, i) => {
        r.fillStyle = t === frame ? "#d55e00" : "#0072b2";
        r.fillRect(t * px, raster.height - (run.spikes[1][i] + 1) * py, Math.max(px - 1, 2), Math.max(py - 1, 2));
      });
    }
    clock.textContent = `${frame + 1} ms of ${field.window} ms`;
  }

  function choose() {
    const field = FIELDS[choice.value], [h, w] = field.grid;
    runs.replaceChildren();
    views = field.runs.map((run) => {
      const box = add(runs, "div", "run");
      add(box, "b", "", run.label);
      const pair = add(box, "div", "pair"), map = add(pair, "canvas"), raster = add(pair, "canvas");
      const size = Math.max(2, Math.floor(300 / Math.max(h, w)));
      map.width = w * size; map.height = h * size; raster.width = 480; raster.height = 300;
      map.setAttribute("aria-label", "neuromodulator, " + run.label);
      raster.setAttribute("aria-label", "spikes (neuron against time), " + run.label);
      const bytes = Uint8Array.from(atob(run.levels), (c) => c.charCodeAt(0));
      return { run, levels: new Int8Array(bytes.buffer), map, raster };
    });
    low.textContent = "M = \u2212" + field.limit.toPrecision(2);
    high.textContent = "+" + field.limit.toPrecision(2);
    slider.max = field.frames - 1;
    slider.value = Math.min(slider.value, slider.max);
    show();
  }

  function stop() { clearInterval(timer); timer = null; play.textContent = "Play"; }
  function step() { slider.value = Number(slider.value) >= Number(slider.max) ? 0 : Number(slider.value) + 1; show(); }
  choice.addEventListener("change", choose);
  slider.addEventListener("input", () => { stop(); show(); });
  play.addEventListener("click", () => {
    if (timer) { stop(); return; }
    play.textContent = "Pause";
    timer = setInterval(step, 120);
  });
  slider.value = 0;
  choose();
})();
