"use strict";

/** Zoom, move and tone images that show the same place: zoomed and moved together, toned each. */
function makeViewer(figures) {
  const unscaled = () => ({ scale: 1, x: 0, y: 0 });
  let view = unscaled();
  let tones = [];

  function reset() {
    view = unscaled();
    tones = figures.map(() => ({ brightness: 1, contrast: 1 }));
    showView();
  }

  function showView() {
    figures.forEach((figure, side) => {
      const picture = figure.querySelector("img");
      picture.style.transform = `translate(${view.x * 100}%, ${view.y * 100}%) scale(${view.scale})`;
      picture.style.filter = `brightness(${tones[side].brightness}) contrast(${tones[side].contrast})`;
      figure.querySelector(".frame").classList.toggle("zoomed", view.scale > 1);
    });
  }

  /** Zoom about a point, given as fractions of the frame. */
  function zoom(factor, at = { x: 0.5, y: 0.5 }) {
    const scale = Math.min(8, Math.max(1, view.scale * factor));
    const ratio = scale / view.scale;
    moveView(scale, at.x - (at.x - view.x) * ratio, at.y - (at.y - view.y) * ratio);
  }

  function moveView(scale, x, y) {
    const within = (value) => Math.min(0, Math.max(1 - scale, value));
    view = { scale, x: within(x), y: within(y) };
    showView();
  }

  function fractions(event, frame) {
    const box = frame.getBoundingClientRect();
    return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
  }

  function onDrag(event, frame, side) {
    const box = frame.getBoundingClientRect();
    const dx = event.movementX / box.width, dy = event.movementY / box.height;
    if (event.buttons & 2) {
      const tone = tones[side], within = (value) => Math.min(4, Math.max(0.25, value));
      tone.contrast = within(tone.contrast * Math.exp(2 * dx));
      tone.brightness = within(tone.brightness * Math.exp(-2 * dy));
      showView();
    } else if (event.buttons & 1) {
      moveView(view.scale, view.x + dx, view.y + dy);
    }
  }

  function listenToMouse(figure, side) {
    const frame = figure.querySelector(".frame");
    frame.addEventListener("pointermove", (event) => {
      const at = fractions(event, frame);
      for (const cross of document.querySelectorAll(".cross")) {
        // The pointer itself shows the place in its own image.
        cross.style.opacity = figure.contains(cross) ? 0 : 1;
        cross.style.left = `${at.x * 100}%`;
        cross.style.top = `${at.y * 100}%`;
      }
      onDrag(event, frame, side);
    });
    frame.addEventListener("pointerdown", (event) => frame.setPointerCapture(event.pointerId));
    frame.addEventListener("pointerleave", () => {
      for (const cross of document.querySelectorAll(".cross")) cross.style.opacity = 0;
    });
    frame.addEventListener("wheel", (event) => {
      event.preventDefault();
      zoom(Math.exp(-event.deltaY / 400), fractions(event, frame));
    }, { passive: false });
    frame.addEventListener("contextmenu", (event) => event.preventDefault());
    frame.addEventListener("dblclick", reset);
  }

  figures.forEach(listenToMouse);
  return { reset, zoom };
}
