"use strict";

const find = (id) => document.getElementById(id);
const [canvas, line] = [find("canvas"), find("line")];
let model, pixels, instances = [];

async function start() {
  const about = await (await fetch("model.json")).json();
  model = await CondInst.load("model.onnx", about);
  line.textContent = "Choose an image.";
}

async function open(file) {
  const image = await createImageBitmap(file);
  [canvas.width, canvas.height] = [image.width, image.height];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  pixels = context.getImageData(0, 0, image.width, image.height);
  line.textContent = "Finding …";
  await new Promise((resolve) => setTimeout(resolve, 20)); // let the browser draw
  const begun = performance.now();
  instances = await model.predict(pixels);
  canvas.dataset.ms = performance.now() - begun;
  draw();
}

function draw() {
  const threshold = Number(find("threshold").value);
  find("value").textContent = threshold.toFixed(2);
  if (!pixels) return;
  const drawn = new ImageData(pixels.data.slice(), pixels.width, pixels.height);
  const shown = instances.filter(({ score }) => score >= threshold);
  shown.forEach(({ mask }, number) => {
    const color = colorOf(number);
    mask.forEach((inside, i) => {
      if (!inside) return;
      for (let c = 0; c < 3; c++) drawn.data[4 * i + c] += 0.5 * (color[c] - drawn.data[4 * i + c]);
    });
  });
  canvas.getContext("2d").putImageData(drawn, 0, 0);
  const ms = Math.round(canvas.dataset.ms);
  line.textContent = `${shown.length} of ${instances.length} instances, ${ms} ms`;
}

// colors that differ from one instance to the next
function colorOf(number) {
  const hue = (number * 0.618034) % 1;
  return [0, 1 / 3, 2 / 3].map((shift) => 128 + 127 * Math.cos(2 * Math.PI * (hue + shift)));
}

const failed = (error) => (line.textContent = `error: ${error.message ?? error}`);
find("file").addEventListener("change", ({ target }) => {
  if (model && target.files[0]) open(target.files[0]).catch(failed);
});
find("threshold").addEventListener("input", draw);
start().catch(failed);
