"use strict";
(() => {
  const study = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const figures = [...document.querySelectorAll("figure")];
  const prefix = `ustomri-reader-study:${study.id}:${study.seed}:`;
  const viewer = makeViewer(figures);
  let record = null;
  let stored = true;

  // ---- What is answered, and where it is kept ----

  function newRecord(reader) {
    return { study: study.id, seed: study.seed, reader, at: 0, answers: {}, comments: {} };
  }

  function isRecord(found) {
    const isObject = (value) => value !== null && typeof value === "object";
    return isObject(found) && typeof found.reader === "string" && found.reader !== "" &&
      isObject(found.answers) && isObject(found.comments) &&
      Number.isInteger(found.at) && found.at >= 0 && found.at < study.cases.length;
  }

  function keep() {
    try {
      localStorage.setItem(prefix + record.reader, JSON.stringify(record));
      stored = true;
    } catch {
      stored = false;
    }
    byId("saved").textContent = stored ? "Saved in this browser"
      : "This browser cannot keep answers: save to a file";
  }

  function keptRecords() {
    try {
      const keys = Object.keys(localStorage).filter((key) => key.startsWith(prefix));
      return keys.map((key) => JSON.parse(localStorage.getItem(key))).filter(isRecord);
    } catch {
      return [];
    }
  }

  const answersOf = (n) => record.answers[study.cases[n].case] || {};
  const answered = (n) => study.structures.filter((s) => answersOf(n)[s.key]).length;
  const isComplete = (n) => answered(n) === study.structures.length;
  const completeCount = () => study.cases.filter((_, n) => isComplete(n)).length;

  function offer(name, type, text) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    return name;
  }

  function fileName(ending) {
    const reader = record.reader.normalize().replace(/[^\p{L}\p{N}]+/gu, "_");
    return `reader_study_${study.id}_${reader}${ending}`;
  }

  function csv() {
    const keys = study.structures.map((s) => s.key);
    const rows = [["study", "seed", "blinded", "reader", "position", "case", "pseudo_mri_side",
      ...keys, "comment"]];
    study.cases.forEach((one, n) => rows.push([study.id, study.seed, study.blinded, record.reader,
      n + 1, one.case, one.pseudo_mri_side, ...keys.map((key) => answersOf(n)[key] || ""),
      record.comments[one.case] || ""]));
    const quoted = (value) => `"${String(value).replaceAll('"', '""')}"`;
    // With a byte order mark, Excel reads UTF-8.
    return "\ufeff" + rows.map((row) => row.map(quoted).join(",") + "\r\n").join("");
  }

  // ---- The three screens ----

  function show(name) {
    for (const screen of ["start", "study", "end"]) byId(screen).hidden = screen !== name;
    for (const id of ["save", "overview"]) byId(id).hidden = name === "start";
    document.querySelector(".progress").hidden = name === "start";
  }

  function showStart() {
    byId("question").textContent = study.blinded
      ? "Two images of the same head stand side by side, without a label. For each of three " +
        "structures say which of them shows it better, or that they are the same."
      : "The ultrasound of a head stands beside the pseudo-MRI made from it. For each of three " +
        "structures say whether the pseudo-MRI shows it better than the ultrasound, the same, or worse.";
    byId("notice").textContent = study.blinded
      ? "Some of the images are synthetic: a computer made them from ultrasound. They are no MRI " +
        "scans, may show anatomy that is not there, and are not for diagnosis."
      : "The pseudo-MRI is synthetic: a computer made it from the ultrasound. It is no MRI scan, " +
        "may show anatomy that is not there, and is not for diagnosis.";
    byId("count").textContent = study.cases.length;
    byId("ask").textContent = study.blinded
      ? "Which image shows it better?" : "Compared with the ultrasound, the pseudo-MRI shows it ...";
    const kept = keptRecords();
    byId("resume").hidden = kept.length === 0;
    byId("sessions").replaceChildren(...kept.map((found) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = `${found.reader}, pair ${found.at + 1}`;
      button.addEventListener("click", () => open(found));
      const item = document.createElement("li");
      item.append(button);
      return item;
    }));
    show("start");
    byId("reader").focus();
  }

  function open(found) {
    record = found;
    keep();
    showPair(record.at);
  }

  function showPair(n) {
    const one = study.cases[n];
    record.at = n;
    [one.left, one.right].forEach((image, side) => {
      const label = study.blinded ? ["Left", "Right"][side] : image.label;
      const picture = figures[side].querySelector("img");
      picture.src = image.src;
      picture.alt = study.blinded ? `${label} image` : label;
      figures[side].querySelector("figcaption").textContent = label;
      figures[side].style.setProperty("--aspect", one.aspect);
    });
    document.querySelector("#study h1").textContent = `Pair ${n + 1} of ${study.cases.length}`;
    byId("answers").replaceChildren(...study.structures.map((s) => question(s, one)));
    byId("comment").value = record.comments[one.case] || "";
    byId("previous").disabled = n === 0;
    show("study");
    viewer.reset();
    showProgress();
    focusQuestion(study.structures.findIndex((s) => !answersOf(n)[s.key]));
  }

  function showProgress() {
    const last = record.at === study.cases.length - 1;
    byId("progress").max = study.cases.length;
    byId("progress").value = completeCount();
    byId("position").textContent = `Pair ${record.at + 1} of ${study.cases.length}`;
    byId("next").textContent = last ? "Finish" : "Next";
    byId("next").classList.toggle("primary", isComplete(record.at));
  }

  function showEnd() {
    const done = completeCount(), all = study.cases.length;
    byId("state").textContent = done === all
      ? `All ${all} pairs are answered. Thank you! Download your answers and hand the file over.`
      : `${done} of ${all} pairs are answered in full. Choose one to go there; you can also ` +
        "download what you have.";
    byId("pairs").replaceChildren(...study.cases.map((_, n) => {
      const button = document.createElement("button");
      const state = isComplete(n) ? "answered" : answered(n) ? "answered in part" : "not answered";
      button.type = "button";
      button.textContent = n + 1 + (isComplete(n) ? " ✓" : "");
      button.className = { answered: "all", "answered in part": "some" }[state] || "";
      button.setAttribute("aria-label", `Pair ${n + 1}, ${state}`);
      button.addEventListener("click", () => showPair(n));
      const item = document.createElement("li");
      item.append(button);
      return item;
    }));
    byId("sent").textContent = "";
    showProgress();
    show("end");
    document.querySelector("#end h1").focus();
  }

  // ---- One structure's question ----

  function choices(one) {
    if (!study.blinded) return [["Better", "better"], ["Same", "same"], ["Worse", "worse"]];
    const isLeft = one.pseudo_mri_side === "left";
    return [["Left", isLeft ? "better" : "worse"], ["Same", "same"], ["Right", isLeft ? "worse" : "better"]];
  }

  function question(structure, one) {
    const set = document.createElement("fieldset");
    const legend = document.createElement("legend");
    legend.textContent = structure.name;
    const tick = document.createElement("span");
    tick.className = "tick";
    legend.append(tick);
    const row = document.createElement("div");
    row.className = "choices";
    choices(one).forEach(([text, value], n) => {
      const label = document.createElement("label");
      const input = document.createElement("input");
      Object.assign(input, { type: "radio", name: structure.key, value });
      input.checked = (record.answers[one.case] || {})[structure.key] === value;
      const key = document.createElement("kbd");
      key.textContent = n + 1;
      label.append(input, `${text} `, key);
      row.append(label);
    });
    set.append(legend, row);
    tick.textContent = set.querySelector(":checked") ? " ✓" : "";
    set.addEventListener("change", (event) => answer(structure, event.target.value, tick));
    set.addEventListener("focusin", () => markCurrent(set));
    return set;
  }

  function answer(structure, value, tick) {
    const name = study.cases[record.at].case;
    record.answers[name] = { ...record.answers[name], [structure.key]: value };
    tick.textContent = " ✓";
    keep();
    showProgress();
  }

  const questions = () => [...byId("answers").children];

  function markCurrent(set) {
    for (const other of questions()) other.classList.toggle("current", other === set);
  }

  function focusQuestion(n) {
    if (n < 0) {
      byId("next").focus();
      markCurrent(null);
      return;
    }
    const set = questions()[n];
    (set.querySelector(":checked") || set.querySelector("input")).focus();
  }

  function answerByKey(choice) {
    const all = questions();
    const now = Math.max(0, all.findIndex((set) => set.classList.contains("current")));
    all[now].querySelectorAll("input")[choice].click();
    const later = [...all.keys()].map((n) => (now + 1 + n) % all.length);
    focusQuestion(later.find((n) => !all[n].querySelector(":checked")) ?? -1);
  }

  function move(by) {
    const n = record.at + by;
    if (n < 0) return;
    if (n >= study.cases.length) showEnd();
    else showPair(n);
    keep();
  }

  // ---- Keys, buttons, files ----

  const shortcuts = {
    1: () => answerByKey(0), 2: () => answerByKey(1), 3: () => answerByKey(2),
    n: () => move(1), p: () => move(-1), c: () => byId("comment").focus(), o: showEnd,
    "+": () => viewer.zoom(1.25), "=": () => viewer.zoom(1.25), "-": () => viewer.zoom(0.8), 0: viewer.reset,
  };

  function onKey(event) {
    const typing = event.target.matches("textarea, input:not([type=radio])");
    if (event.key === "Escape" && event.target === byId("comment")) {
      focusQuestion(0);
      return;
    }
    if (typing || event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
    if (event.key === "?") byId("help").showModal();
    if (byId("study").hidden) return;
    const name = event.key === "Enter" && !event.target.matches("button") ? "n" : event.key.toLowerCase();
    if (!(name in shortcuts)) return;
    event.preventDefault();
    shortcuts[name]();
  }

  async function load(event) {
    const problem = byId("problem");
    problem.textContent = "";
    try {
      const found = JSON.parse(await event.target.files[0].text());
      if (!isRecord(found)) throw new Error("shape");
      if (found.study === study.id && found.seed === study.seed) open(found);
      else problem.textContent = "This file belongs to another study; choose the one saved here.";
    } catch {
      problem.textContent = "This file holds no saved answers; choose the .json file that you saved.";
    }
    event.target.value = "";
  }

  function begin(event) {
    event.preventDefault();
    const reader = byId("reader").value.trim();
    if (reader) open(keptRecords().find((found) => found.reader === reader) || newRecord(reader));
  }

  function setTheme(theme) {
    document.documentElement.dataset.theme = theme;
    byId("theme").textContent = theme === "dark" ? "Light" : "Dark";
  }

  function listen() {
    byId("begin").addEventListener("submit", begin);
    byId("load").addEventListener("change", load);
    byId("save").addEventListener("click", () =>
      offer(fileName(".json"), "application/json", JSON.stringify(record)));
    byId("download").addEventListener("click", () => {
      byId("sent").textContent = `${offer(fileName(".csv"), "text/csv", csv())} was handed to your downloads.`;
    });
    byId("overview").addEventListener("click", showEnd);
    byId("back").addEventListener("click", () => showPair(record.at));
    byId("previous").addEventListener("click", () => move(-1));
    byId("next").addEventListener("click", () => move(1));
    byId("answers").addEventListener("submit", (event) => event.preventDefault());
    byId("comment").addEventListener("input", () => {
      record.comments[study.cases[record.at].case] = byId("comment").value;
      keep();
    });
    byId("keys").addEventListener("click", () => byId("help").showModal());
    byId("theme").addEventListener("click", () =>
      setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
    window.addEventListener("keydown", onKey);
    window.addEventListener("beforeunload", (event) => {
      if (record && !stored) event.preventDefault();
    });
  }

  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", () => setTheme(dark.matches ? "dark" : "light"));
  setTheme(dark.matches ? "dark" : "light");
  listen();
  showStart();
})();
