// Runs a file that `condinst export` wrote (without --fixed-size) in onnxruntime-web.
"use strict";

class CondInst {
  // url: of the ONNX file; about: what metadata.py wrote of it
  static async load(url, about) {
    ort.env.wasm.numThreads = 1; // more need headers that a plain file server does not send
    const session = await ort.InferenceSession.create(url, { executionProviders: ["wasm"] });
    return new CondInst(session, about);
  }

  constructor(session, about) {
    this.session = session;
    this.about = about;
  }

  // pixels: ImageData; returns instances, best first, with masks of the image's size
  async predict(pixels) {
    const { width, height } = pixels;
    const [w, h] = this.inputSize(width, height);
    const feeds = {
      images: new ort.Tensor("float32", resize(pixels, w, h), [1, 3, h, w]),
      out_size: new ort.Tensor("int64", BigInt64Array.from([height, width].map(BigInt)), [2]),
    };
    const { boxes, scores, labels, masks } = await this.session.run(feeds);
    const size = width * height;
    return Array.from(scores.data, (score, i) => ({
      score,
      name: this.about.classes[Number(labels.data[i])],
      box: Array.from(boxes.data.subarray(4 * i, 4 * i + 4)), // xyxy
      mask: masks.data.subarray(size * i, size * (i + 1)), // 0 or 1, row by row
    }));
  }

  // the resize of the model's test pipeline
  inputSize(width, height) {
    const { scale, scale_factor } = this.about.resize ?? {};
    let x = 1, y = 1;
    if (scale_factor) {
      [x, y] = [scale_factor].flat().concat(scale_factor);
    } else if (scale) {
      const [long, short] = [Math.max(...scale), Math.min(...scale)];
      x = y = Math.min(long / Math.max(width, height), short / Math.min(width, height));
    }
    return [Math.floor(width * x + 0.5), Math.floor(height * y + 0.5)];
  }
}

// Bilinear, with OpenCV's half-pixel centers: browsers' own smoothing differs from one to the next.
// Returns planes of red, green and blue, 0 to 255, rounded as OpenCV's bytes are.
function resize({ data, width, height }, w, h) {
  const planes = new Float32Array(3 * w * h);
  const [columns, rows] = [taps(width, w), taps(height, h)];
  for (let y = 0; y < h; y++) {
    const [top, bottom, down] = rows[y];
    for (let x = 0; x < w; x++) {
      const [left, right, across] = columns[x];
      for (let c = 0; c < 3; c++) {
        const at = (row, column) => data[4 * (row * width + column) + c];
        const upper = at(top, left) * (1 - across) + at(top, right) * across;
        const lower = at(bottom, left) * (1 - across) + at(bottom, right) * across;
        planes[(c * h + y) * w + x] = Math.round(upper * (1 - down) + lower * down);
      }
    }
  }
  return planes;
}

// For each of `to` pixels: the two of `from` pixels that it lies between, and the second's weight.
function taps(from, to) {
  return Array.from({ length: to }, (_, i) => {
    const place = Math.min(Math.max(((i + 0.5) * from) / to - 0.5, 0), from - 1);
    const first = Math.floor(place);
    return [first, Math.min(first + 1, from - 1), place - first];
  });
}
