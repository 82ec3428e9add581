"use strict";
// The neuromodulator on the grid, step by step, with the spikes of the same window beside it.
(function () {
  const root = document.getElementById("field");
  if (!root || !FIELDS.length) return;
  const add = (parent, tag, text) => { const node = document.createElement(tag); if (text) node.textContent = text; parent.appendChild(node); return node; };
  const controls = add(root, "div");
  controls.className = "controls";
  const choice = add(controls, "select");
  choice.setAttribute("aria-label", "run");
  FIELDS.forEach((field, i) => { const option = add(choice, "option", field.label); option.value = i; });
  const play = add(controls, "button", "Play");
  const slider = add(controls, "input");
  slider.type = "range"; slider.min = 0; slider.setAttribute("aria-label", "time in the window");
  const clock = add(controls, "span");
  const map = add(root, "canvas"), raster = add(root, "canvas");
  map.width = map.height = 320; raster.width = 480; raster.height = 320;
  let timer = null;

  function colour(level) {      // blue below zero, red above
    const a = Math.min(1, Math.abs(level) / 127);
    const fade = (full) => Math.round(255 - a * (255 - full));
    return level < 0 ? `rgb(${fade(33)},${fade(102)},${fade(172)})` : `rgb(${fade(178)},${fade(24)},${fade(43)})`;
  }

  function show() {
    const field = FIELDS[choice.value], [h, w] = field.grid, frame = Number(slider.value);
    const bytes = Uint8Array.from(atob(field.levels), (c) => c.charCodeAt(0)), levels = new Int8Array(bytes.buffer);
    const g = map.getContext("2d"), size = Math.min(map.width / w, map.height / h);
    g.clearRect(0, 0, map.width, map.height);
    for (let c = 0; c < h * w; c++) {
      g.fillStyle = colour(levels[frame * h * w + c]);
      g.fillRect((c % w) * size, Math.floor(c / w) * size, size - 1, size - 1);
    }
    const r = raster.getContext("2d"), px = raster.width / field.window, py = raster.height / field.neurons;
    r.clearRect(0, 0, raster.width, raster.height);
    r.fillStyle = "#0072b2";
    field.spikes[0].forEach((t, i) => r.fillRect(t * px, raster.height - (field.spikes[1][i] + 1) * py, Math.max(px, 1.5), Math.max(py, 1.5)));
    r.fillStyle = "#d55e00";
    r.fillRect((field.steps[frame] - 0.5) * px, 0, 1.5, raster.height);
    clock.textContent = `${field.steps[frame]} ms of ${field.window} ms, largest |M| ${field.limit.toPrecision(3)}`;
  }

  function choose() { slider.max = FIELDS[choice.value].steps.length - 1; slider.value = Math.min(slider.value, slider.max); show(); }
  function stop() { clearInterval(timer); timer = null; play.textContent = "Play"; }
  choice.addEventListener("change", choose);
  slider.addEventListener("input", show);
  play.addEventListener("click", () => {
    if (timer) { stop(); return; }
    play.textContent = "Pause";
    timer = setInterval(() => { slider.value = Number(slider.value) >= Number(slider.max) ? 0 : Number(slider.value) + 1; show(); }, 150);
  });
  slider.value = 0;
  choose();
})();
