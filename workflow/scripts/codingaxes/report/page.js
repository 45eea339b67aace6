"use strict";
// The explorer and the matrix of transfer. All numbers come from the page's data; only places of marks are computed.
(() => {
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);
  const { models, radii, transfer } = data;
  const labels = Object.fromEntries(models.map((model) => [model.name, model.label]));
  const chosen = { ...data.begin, rank: 0 };
  const number = (value) => value === null ? "unknown" : String(+value.toPrecision(3)).replace("-", "−");
  const decimal = (value) => value.toFixed(2).replace("-", "−");
  const place = (level) => 50 + 50 * Math.asinh(2 * (level - 0.5)) / Math.asinh(2 * data.limit);
  const element = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  };
  const casesOf = (roi, direction) => data.cases.filter((one) => one.roi === roi && one.direction === direction);
  const currentCase = () => casesOf(chosen.roi, chosen.direction)[chosen.rank];
  const madeBy = () => currentCase().makers[chosen.maker];
  const radiusText = (step) => {
    const text = number(radii[step]);
    return data.side === 1 ? text : `${text} (${number(radii[step] * data.side)} at 224 × 224 pixels)`;
  };
  const show = (image, strip, step, text) => {
    if (image.getAttribute("src") !== strip) image.src = strip;
    image.style.setProperty("--step", step);
    image.style.setProperty("--steps", radii.length);
    image.alt = text;
  };

  // ---------------------------------------------------------------------------------------- explorer

  const rows = [...$("bars").children];
  const tiles = [...$("ladder").children];

  function drawImages() {
    const cases = casesOf(chosen.roi, chosen.direction);
    chosen.rank = Math.min(chosen.rank, cases.length - 1);
    for (const label of $("images").querySelectorAll("label")) label.remove();
    cases.forEach((one, rank) => {
      const input = element("input", { type: "radio", name: "image", value: rank });
      input.checked = rank === chosen.rank;
      input.addEventListener("change", () => { chosen.rank = rank; draw(); });
      const image = element("img");
      show(image, Object.values(one.makers)[0].strip, 0, one.image);
      $("images").append(element("label", { title: one.image }, input, element("div", { class: "window" }, image)));
    });
    for (const option of $("maker").options) option.disabled = !cases.some((one) => option.value in one.makers);
    if (!(chosen.maker in cases[chosen.rank].makers)) chosen.maker = Object.keys(cases[chosen.rank].makers)[0];
    $("maker").value = chosen.maker;
  }

  function draw() {
    const made = madeBy(), one = currentCase(), step = chosen.step;
    const about = `${one.image} changed to ${chosen.direction} the response of ${labels[chosen.maker]} in ${chosen.roi}`;
    show($("before"), made.strip, 0, `${one.image}, not changed`);
    show($("after"), made.strip, step, `${about}, l2 radius ${radiusText(step)}`);
    tiles.forEach((tile, k) => {
      show(tile.querySelector("img"), made.strip, k, `${about}, l2 radius ${number(radii[k])}`);
      tile.classList.toggle("now", k === step);
    });
    $("radius").textContent = $("at").textContent = radiusText(step);
    $("slider").setAttribute("aria-valuetext", `l2 radius ${radiusText(step)}`);
    $("sizes").textContent = `saved change: l2 ${number(made.l2[step])}, RMS ${number(made.rms[step])} grey levels`;
    $("about").textContent = `${about}; below: l2 radius, pixels in [0, 1].`;
    rows.forEach((row, k) => drawBar(row, made.levels[k], made.responses[k], step));
  }

  function drawBar(row, levels, responses, step) {
    const track = row.querySelector(".track"), value = row.querySelector(".value");
    const [before, level] = [levels[0], levels[step]];
    row.classList.toggle("own", row.dataset.model === chosen.maker);
    if (before === null || level === null) {
      track.replaceChildren();
      value.textContent = "unknown";
      return;
    }
    if (!track.children.length)
      track.append(element("i", { class: "move" }), element("i", { class: "from" }), element("i", { class: "dot" }));
    const [from, to] = [place(before), place(level)];
    const [move, start, dot] = track.children;
    move.style.left = `${Math.min(from, to)}%`;
    move.style.width = `${Math.abs(to - from)}%`;
    start.style.left = `${from}%`;
    dot.style.left = `${to}%`;
    value.textContent = `${decimal(before)} → ${decimal(level)}`;
    row.title = `${labels[row.dataset.model]}: response ${number(responses[0])} → ${number(responses[step])} SD`;
  }

  let playing = null;
  function stop() {
    clearInterval(playing);
    playing = null;
    $("play").textContent = "Play";
  }
  function setStep(step) {
    chosen.step = step;
    $("slider").value = step;
    draw();
  }
  $("play").addEventListener("click", () => {
    if (playing) { stop(); return; }
    if (chosen.step === radii.length - 1) setStep(0);
    $("play").textContent = "Pause";
    playing = setInterval(() => {
      setStep(chosen.step + 1);
      if (chosen.step === radii.length - 1) stop();
    }, 700);
  });
  $("slider").addEventListener("input", () => { stop(); setStep(+$("slider").value); });
  for (const name of ["roi", "direction", "maker"]) {
    $(name).value = chosen[name];
    $(name).addEventListener("change", () => { chosen[name] = $(name).value; drawImages(); draw(); });
  }
  tiles.forEach((tile, k) => tile.addEventListener("click", () => { stop(); setStep(k); }));

  // ------------------------------------------------------------------------------------ transfer matrix

  const cells = [...$("matrix").querySelectorAll("td[data-source]")];
  const width = models.length;
  const state = { roi: transfer.regions[0], measure: $("measure").value, cell: null };
  const numbersOf = (cell) => (transfer.cells[state.roi][cell.dataset.source] || {})[cell.dataset.target] || null;
  const at = (name) => transfer.numbers.indexOf(name);

  function tone(value) {
    if (value === null) return "transparent";
    const share = Math.max(0, value) / (state.measure === "change" ? transfer.largest : 1);
    const last = transfer.tones.length - 1;
    return transfer.tones[Math.min(last, Math.floor(Math.sqrt(share) * last + 0.5))];
  }

  function drawMatrix() {
    for (const cell of cells) {
      const found = numbersOf(cell), value = found ? found[at(state.measure)] : null;
      const text = `${labels[cell.dataset.source]} to ${labels[cell.dataset.target]}: ${value === null ? "no value" : number(value)}`;
      cell.style.background = tone(value);
      cell.setAttribute("aria-label", text);
      cell.title = text;
    }
    $("key-high").textContent = state.measure === "change" ? number(transfer.largest) : "1";
    $("key-text").textContent = `${transfer.measures[state.measure]} (root scale)`;
    if (state.cell) drawPair();
  }

  function interval(found, name) {
    const [value, low, high] = [name, `${name}_low`, `${name}_high`].map((part) => found[at(part)]);
    return low === null || high === null ? number(value) : `${number(value)} [${number(low)}, ${number(high)}]`;
  }

  function drawPair() {
    const { source, target } = state.cell.dataset, found = numbersOf(state.cell);
    const where = state.roi === "all" ? "all regions" : state.roi;
    const parts = [element("h3", {}, `${labels[source]} → ${labels[target]}, ${where}`)];
    if (found) {
      const reason = found[found.length - 1];
      const facts = {
        "Change of the target": `${interval(found, "change")} SD`,
        "÷ its own attack": interval(found, "of_target"),
        "Source by its own": `${number(found[at("own_source")])} SD`,
        "Target by its own": `${number(found[at("own_target")])} SD`,
        "White noise": `${number(found[at("noise")])} SD`,
        "Gradient cosine": number(found[at("cosine")]),
        "Images": `${found[found.length - 2]}; 95% intervals over them`,
        ...(reason ? { "Missing": reason } : {}),
      };
      const list = element("dl");
      for (const [name, text] of Object.entries(facts)) list.append(element("dt", {}, name), element("dd", {}, text));
      parts.push(list);
    } else parts.push(element("p", { class: "note" }, "This pair has no numbers."));
    const pictures = drawPairPictures(source, target);
    if (pictures) parts.push(...pictures);
    $("pair").replaceChildren(...parts);
  }

  function drawPairPictures(source, target) {
    const roi = state.roi === "all" ? data.cases[0].roi : state.roi;
    const one = casesOf(roi, "increase")[0];
    if (!one || !(source in one.makers) || !(target in one.makers)) return null;
    const apart = (radius) => Math.abs(Math.log(radius / transfer.radius));
    const step = radii.reduce((best, radius, k) => k && (!best || apart(radius) < apart(radii[best])) ? k : best, 0);
    const k = models.findIndex((model) => model.name === target);
    const box = element("div", { class: "pair-of-pictures" });
    for (const maker of [source, target]) {
      const made = one.makers[maker], image = element("img"), level = made.levels[k][step];
      show(image, made.strip, step, `${one.image} changed for ${labels[maker]}, l2 radius ${number(radii[step])}`);
      const text = `for ${labels[maker]}: level of ${labels[target]} ${level === null ? "unknown" : decimal(level)}`;
      box.append(element("figure", {}, element("div", { class: "window" }, image), element("figcaption", {}, text)));
    }
    const k0 = one.makers[source].levels[k][0];
    const note = `${one.image}, to increase ${roi}, l2 radius ${number(radii[step])}; without a change: level ${k0 === null ? "unknown" : decimal(k0)}`;
    return [box, element("p", { class: "note" }, note)];
  }

  function choose(cell, focus) {
    if (state.cell) { state.cell.classList.remove("here"); state.cell.tabIndex = -1; }
    state.cell = cell;
    cell.classList.add("here");
    cell.tabIndex = 0;
    if (focus) cell.focus({ preventScroll: false });
    drawPair();
  }

  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -width, ArrowDown: width };
  cells.forEach((cell, k) => {
    cell.tabIndex = k ? -1 : 0;
    cell.addEventListener("pointerenter", () => choose(cell, false));
    cell.addEventListener("focus", () => { if (state.cell !== cell) choose(cell, false); });
    cell.addEventListener("click", () => choose(cell, true));
    cell.addEventListener("keydown", (event) => {
      const next = k + (steps[event.key] || 0), sideways = Math.abs(steps[event.key] || 0) === 1;
      if (!(event.key in steps)) return;
      event.preventDefault();
      if (next < 0 || next >= cells.length || (sideways && Math.floor(next / width) !== Math.floor(k / width))) return;
      choose(cells[next], true);
    });
  });
  $("matrix").setAttribute("role", "grid");
  for (const [id, name] of [["matrix-roi", "roi"], ["measure", "measure"]])
    $(id).addEventListener("change", () => { state[name] = $(id).value; drawMatrix(); });

  for (const id of ["controls", "stage", "growth", "choices"]) $(id).hidden = false;
  for (const form of document.forms) form.addEventListener("submit", (event) => event.preventDefault());
  drawImages();
  draw();
  drawMatrix();
  choose(cells.find((cell) => cell.dataset.source !== cell.dataset.target) || cells[0], false);
})();
